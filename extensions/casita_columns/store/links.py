"""Addresses and credentials with which results are fetched, each for one request and some time."""

from __future__ import annotations

import hmac
import time
from typing import Any
from urllib.parse import quote, urlsplit

from casita import __version__
from casita_columns.records.tables import Request
from casita_columns.store import signing

LINK_SECONDS = 12 * 3600
PAGE_SECONDS = 7 * 86400
STEP = 3600
"""Ends are rounded up to this, so that the same answer is given for a while."""


class Links:
    """Makes them.

    Parameters
    ----------
    url
        The service's public address, up to and with its prefix.
    key
        The service's secret.
    keep
        Seconds for which results are kept; credentials last as long.
    """

    def __init__(self, url: str, key: bytes, keep: float) -> None:
        self._url = url
        self._key = key
        self._keep = keep

    def of(self, request: Request) -> dict[str, Any]:
        """Return what :func:`casita_columns.wire.status` needs besides."""
        parts = urlsplit(self._url)
        access, secret = signing.credentials(self._key, request.id, _end(self._keep))
        return {
            "image": f"casita/{request.codegen}",
            "code-gen-image": f"casita/{request.codegen}",
            "app-version": __version__,
            "minio-endpoint": f"{parts.netloc}{parts.path}/s3",
            "minio-secured": parts.scheme == "https",
            "minio-access-key": access,
            "minio-secret-key": secret,
            "log-url": self.page(request.id),
        }

    def signed(self, request: str, name: str) -> tuple[str, dict[str, str], int]:
        """Return address, headers to send and end (Unix time) of a result."""
        end = _end(LINK_SECONDS)
        signature = signing.link_signature(self._key, request, name, end)
        url = f"{self._url}/dl/{request}/{quote(name, safe='')}?exp={end}&sig={signature}"
        return url, {}, end

    def page(self, request: str) -> str:
        """Return the address of the page that tells what went wrong."""
        end = _end(PAGE_SECONDS)
        signature = self._page_signature(request, end)
        return f"{self._url}/transformation-request/{request}/results?exp={end}&sig={signature}"

    def opens_page(self, request: str, end: str, signature: str) -> bool:
        """Whether an address of a page is one that was made here, and still good."""
        if not (end.isascii() and end.isdigit()) or int(end) < time.time():
            return False
        expected = self._page_signature(request, int(end))
        return hmac.compare_digest(expected.encode(), signature.encode())

    def _page_signature(self, request: str, end: int) -> str:
        return hmac.new(self._key, f"page {request} {end}".encode(), "sha256").hexdigest()


def _end(seconds: float) -> int:
    return (int(time.time() + seconds) // STEP + 1) * STEP
