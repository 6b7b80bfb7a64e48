"""Look at something again and again, and tell any number of followers when it has changed."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from typing import Generic, TypeVar

from casita.errors import CasitaError

logger = logging.getLogger(__name__)
Seen = TypeVar("Seen")
LONG_REST = 10.0
"""Seconds; what is down for long is found again at least after so many."""


RECENT_SECONDS = 10.0


class Watch(ABC, Generic[Seen]):
    """One watch is shared by all pages that a browser has open."""

    def __init__(self) -> None:
        self.seen: Seen | None = None
        """What was last seen."""
        self.followers = 0
        self._looked = 0.0
        self._looking = asyncio.Lock()
        self._changed = asyncio.Condition()
        self._wake = asyncio.Event()

    @abstractmethod
    async def look(self) -> Seen:
        """Return what there is to see now."""

    @abstractmethod
    def pause(self) -> float | None:
        """Return the seconds until the next look; None: until somebody asks for one."""

    async def fresh(self) -> Seen:
        """Return what there is to see now, or what a look that began since now has seen.

        Raises
        ------
        CasitaError
            It can't be looked at.
        """
        asked = time.monotonic()
        async with self._looking:
            if self.seen is not None and self._looked >= asked:
                return self.seen
            began = time.monotonic()
            seen = await self.look()
            self._looked = began
            if self.seen is None or seen != self.seen:
                self.seen = seen
                async with self._changed:
                    self._changed.notify_all()
            return self.seen  # the same object while it is equal, which followers go by

    async def follow(self) -> AsyncGenerator[Seen, None]:
        """Give what there is to see, at once and whenever it changes.

        Raises
        ------
        CasitaError
            It can't be looked at, and never could before.
        """
        self.followers += 1
        try:
            told = await self._recent()
            self.hurry()
            while True:
                yield told
                told = await self._other_than(told)
        finally:
            self.followers -= 1

    async def _recent(self) -> Seen:
        """Return what was seen a moment ago, else what there is to see now."""
        if self.seen is not None and time.monotonic() - self._looked < RECENT_SECONDS:
            return self.seen
        try:
            return await self.fresh()
        except CasitaError:
            if self.seen is None:
                raise
            return self.seen

    async def _other_than(self, told: Seen) -> Seen:
        async with self._changed:
            await self._changed.wait_for(lambda: self.seen is not told)
        assert self.seen is not None
        return self.seen

    def hurry(self) -> None:
        """Look as soon as possible."""
        self._wake.set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            began = time.monotonic()
            try:
                await self.fresh()
            except CasitaError as error:
                logger.debug("%s", error)
            except Exception:
                logger.exception("a look failed")
            try:
                await asyncio.wait_for(self._wake.wait(), self._rest(time.monotonic() - began))
            except TimeoutError:
                continue
            self._wake.clear()

    def _rest(self, took: float) -> float | None:
        """Return the seconds to wait after a look, so that long ones leave time for others."""
        pause = self.pause()
        return None if pause is None else max(pause, min(LONG_REST, 3 * took))
