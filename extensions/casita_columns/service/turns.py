"""Lets each user ask for a few slow things at a time; more of them wait, and hold nobody up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi.concurrency import run_in_threadpool

Answer = TypeVar("Answer")
AT_ONCE = 2


class Turns:
    """Counts by user."""

    def __init__(self) -> None:
        self._users: dict[str, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def _turn(self, user: str) -> AsyncIterator[None]:
        turn, waiting = self._users.get(user) or (asyncio.Semaphore(AT_ONCE), 0)
        self._users[user] = turn, waiting + 1
        try:
            async with turn:
                yield
        finally:
            turn, waiting = self._users[user]
            if waiting > 1:
                self._users[user] = turn, waiting - 1
            else:
                del self._users[user]

    async def take(self, user: str, what: Callable[..., Answer], *given: Any) -> Answer:
        """Call ``what`` in a thread when it is the user's turn; return what it returns."""
        async with self._turn(user):
            return await run_in_threadpool(what, *given)
