"""Lists that an issuer publishes (keys, revoked tokens), kept for a while."""

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
FIRST_SECONDS = 1.0
"""The same while there is no copy, without which no token is good."""
BYTES = 4 * 2**20


class Document:
    """One JSON document, fetched when it is needed.

    Parameters
    ----------
    url
        Of the document, or of an ``openid-configuration`` that names it as ``jwks_uri``.
    name
        Of the list in it. An answer without one is none: the copy serves on.
    fresh
        Seconds for which a copy is used without asking.
    """

    def __init__(self, http: httpx.AsyncClient, url: str, name: str, fresh: float) -> None:
        self._http = http
        self._url = url
        self._name = name
        self._fresh = fresh
        self._content: list[Any] = []
        self._fetched = self._next = float("-inf")
        self._fetching = asyncio.Lock()

    async def get(self, *, again: bool = False) -> list[Any]:
        """Return the list.

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
            if (again or self._age() > self._fresh) and time.monotonic() > self._next:
                await self._fetch()
            if self._age() > STALE_SECONDS:
                host = urlsplit(self._url).hostname
                raise ServiceError(
                    f"the keys of the token's issuer at {host} can't be had",
                    hint="try again in a moment",
                )
            return self._content

    def _age(self) -> float:
        return time.monotonic() - self._fetched

    async def _fetch(self) -> None:
        began = time.monotonic()
        try:
            content = await self._load(self._url)
            if "jwks_uri" in content:
                content = await self._load(self._same_security(str(content["jwks_uri"])))
            if not isinstance(content.get(self._name), list):
                raise ValueError("no list")
            self._content, self._fetched = content[self._name], began
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError):
            pass  # the copy serves on
        # Counted from the end: those who waited for an answer in vain don't each wait for another.
        pause = AGAIN_SECONDS if self._age() < STALE_SECONDS else FIRST_SECONDS
        self._next = time.monotonic() + pause

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
