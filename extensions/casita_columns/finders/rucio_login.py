"""Tokens for Rucio: from a file, or for a certificate.

``GET /auth/x509_proxy`` answers with the token in ``X-Rucio-Auth-Token``, and its end in
``X-Rucio-Auth-Token-Expires`` (``lib/rucio/client/baseclient.py``, ``web/rest/flaskapi/v1/auth.py``
of Rucio).  A file may hold such a token, or one of an OpenID provider that Rucio trusts.
"""

from __future__ import annotations

import ssl
import threading
import time
from calendar import timegm
from pathlib import Path

import httpx

from casita_columns.finders.base import LookupFailed

TOKEN = "X-Rucio-Auth-Token"
EXPIRES = "X-Rucio-Auth-Token-Expires"
FORM = "%a, %d %b %Y %H:%M:%S UTC"
EARLY_SECONDS = 300
LIFETIME_SECONDS = 1800
"""When the server does not say."""
Verify = ssl.SSLContext | bool


def trust(certificates: Path | None) -> Verify:
    """Return whose certificates are trusted; None: those of the machine's."""
    if certificates is None:
        return True
    if certificates.is_dir():
        return ssl.create_default_context(capath=str(certificates))
    return ssl.create_default_context(cafile=str(certificates))


class TokenFile:
    """A token that something else renews."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def token(self) -> str:
        """Return the token.

        Raises
        ------
        LookupFailed
            There is none.
        """
        try:
            return self._path.read_text().strip()
        except OSError as error:
            raise LookupFailed(
                f"Rucio's token can't be read: {error.strerror}", hint="tell your operator"
            ) from error

    def forget(self) -> None:
        """Do nothing: it is read anew each time."""


class Certificate:
    """An X.509 proxy, or certificate and key in one file.

    Parameters
    ----------
    url
        Of the server that takes it.
    """

    def __init__(self, path: Path, url: str, account: str, certificates: Path | None) -> None:
        self._path = path
        self._url = url
        self._account = account
        self._certificates = certificates
        self._lock = threading.Lock()
        self._token, self._ends = "", 0.0

    def token(self) -> str:
        """Return a token that is good for a while.

        Raises
        ------
        LookupFailed
            Rucio does not take the certificate, or it can't be read.
        """
        with self._lock:
            if time.time() > self._ends - EARLY_SECONDS:
                self._token, self._ends = self._ask()
            return self._token

    def forget(self) -> None:
        """Ask for a new one the next time."""
        with self._lock:
            self._ends = 0.0

    def _ask(self) -> tuple[str, float]:
        headers = {"X-Rucio-Account": self._account} if self._account else {}
        hint = "tell your operator: it may have ended"
        try:
            context = trust(self._certificates)
            if not isinstance(context, ssl.SSLContext):
                context = ssl.create_default_context()
            context.load_cert_chain(self._path)
            answer = httpx.get(f"{self._url}/auth/x509_proxy", headers=headers, verify=context)
        except (OSError, httpx.HTTPError) as error:  # ssl.SSLError is an OSError
            raise LookupFailed(f"Rucio's certificate is of no use: {error}", hint=hint) from error
        token = answer.headers.get(TOKEN)
        if answer.is_error or not token:
            raise LookupFailed(
                f"Rucio does not take its certificate: it answers {answer.status_code}", hint=hint
            )
        try:
            ends = float(timegm(time.strptime(answer.headers.get(EXPIRES, ""), FORM)))
        except ValueError:
            ends = time.time() + LIFETIME_SECONDS
        return token, ends
