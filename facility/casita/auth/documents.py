"""JSON documents of an issuer (keys, revoked tokens), kept for a while."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import urlsplit

import httpx

from casita.errors import ServiceError

STALE_SECONDS = 4 * 3600.0
"""So long a document is good though nobody answers for it."""
AGAIN_SECONDS = 5.0
"""Nobody is asked more often, whatever tokens strangers may send."""
BYTES = 4 * 2**20


class Document:
    """One document, fetched when it is needed.

    Parameters
    ----------
    url
        Of the document, or of an ``openid-configuration`` that names it as ``jwks_uri``.
    fresh
        Seconds for which a copy is used without asking.
    """

    def __init__(self, http: httpx.AsyncClient, url: str, fresh: float) -> None:
        self._http = http
        self._url = url
        self._fresh = fresh
        self._content: dict[str, Any] | None = None
        self._fetched = self._asked = float("-inf")
        self._fetching = asyncio.Lock()

    async def get(self, *, again: bool = False) -> dict[str, Any]:
        """Return the document.

        Parameters
        ----------
        again
            Ask for a newer one than there is, unless that was done a moment ago.

        Raises
        ------
        ServiceError
            It can't be had, and there is no copy that is new enough.
        """
        async with self._fetching:
            now = time.monotonic()
            too_old = again or now - self._fetched > self._fresh
            if too_old and (self._content is None or now - self._asked > AGAIN_SECONDS):
                await self._fetch(now)
            if self._content is None or now - self._fetched > STALE_SECONDS:
                host = urlsplit(self._url).hostname
                raise ServiceError(
                    f"the keys of the token's issuer at {host} can't be had",
                    hint="try again in a moment",
                )
            return self._content

    async def _fetch(self, now: float) -> None:
        self._asked = now
        try:
            content = await self._load(self._url)
            if "jwks_uri" in content:
                content = await self._load(self._same_security(str(content["jwks_uri"])))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError):
            return  # the copy serves on
        self._content, self._fetched = content, now

    def _same_security(self, url: str) -> str:
        if self._url.startswith("https:") and not url.startswith("https:"):
            raise ValueError("keys over an open connection")
        return url

    async def _load(self, url: str) -> dict[str, Any]:
        answer = await self._http.get(url)
        answer.raise_for_status()
        if len(answer.content) > BYTES:
            raise ValueError("too long")
        content = answer.json()
        if not isinstance(content, dict):
            raise ValueError("no object")
        return content
