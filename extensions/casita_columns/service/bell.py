"""Tells those who follow a user's requests that something has changed."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict


class Bell:
    """Rung from threads, heard by coroutines of one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def ring(self, user: str) -> None:
        """Wake all who follow a user's requests."""
        with self._lock:
            loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake, user)

    def _wake(self, user: str) -> None:
        for one in self._waiting.get(user, ()):
            one.set()

    def listen(self, user: str) -> asyncio.Event:
        """Return what is set whenever the bell rings; call :meth:`leave` with it after all."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
        heard = asyncio.Event()
        self._waiting[user].add(heard)
        return heard

    def leave(self, user: str, heard: asyncio.Event) -> None:
        """Listen no more."""
        self._waiting[user].discard(heard)
        if not self._waiting[user]:
            del self._waiting[user]
