"""The one HTTP session with the facility that all parts of a Jupyter server share."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import httpx

from casita.client import Connection, connection


def shared_session(settings: dict[str, Any]) -> Session:
    """Return the session of the Jupyter server that has these tornado settings."""
    session: Session = settings.setdefault("casita_session", Session())
    return session


GRACE_SECONDS = 120.0
"""Longer than any answer takes."""


class Session:
    """Opened when it is first used, so that a server without facility starts all the same."""

    def __init__(self) -> None:
        self._opened: tuple[Connection, httpx.AsyncClient] | None = None
        self._opening = asyncio.Lock()
        self._ending = set[asyncio.Task[None]]()
        self.trust: ssl.SSLContext | None = None
        """Whose certificates are believed; None until somebody asked."""

    async def open(self) -> tuple[Connection, httpx.AsyncClient]:
        """Return where the facility is, and the session with it.

        Raises
        ------
        LoginError
            Nobody is logged in, or the login has expired.
        """
        async with self._opening:
            if self._opened is None:
                # Outside a facility this reads files, and may ask whether one is up.
                found = await asyncio.to_thread(connection)
                self._opened = found, found.async_http()
            return self._opened

    def renew(self) -> None:
        """Open it anew, perhaps with another login, when it is used again."""
        if self._opened:
            # Others still wait for answers by it.
            old = self._opened[1]
            asyncio.get_running_loop().call_later(GRACE_SECONDS, self._end, old)
        self._opened = None

    def _end(self, http: httpx.AsyncClient) -> None:
        task = asyncio.ensure_future(http.aclose())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """End it with the server."""
        opened, self._opened = self._opened, None
        if opened:
            await opened[1].aclose()
