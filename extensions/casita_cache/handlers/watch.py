"""One look at the caches for all pages that want to know."""

from __future__ import annotations

import asyncio
import time

from casita.jupyter.section import ServiceWatch
from casita.jupyter.session import Session
from casita.offered import AsyncOffered
from casita_cache.client import AsyncCache
from casita_cache.models import DatasetState, Job, Overview, Status

DONE_SHOWN, FAILED_SHOWN = 15.0, 3600.0
"""So long prefetches are told of after their end."""


class CacheWatch(ServiceWatch[Overview]):
    """Looks at the facility's caches.

    Parameters
    ----------
    session
        With the facility.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session, "the cache", Overview(), AsyncCache)

    def is_busy(self, seen: Overview, since: float) -> bool:
        """Whether a prefetch runs, or XCache may still write down what it has."""
        return any(one.ended is None or one.ended > since for one in seen.jobs)

    async def survey(self, service: AsyncOffered) -> Overview:
        """Return caches, datasets and prefetches."""
        status = await service.ask(Status, "GET", "status")  # alone: it may have to get a token
        datasets, jobs = await asyncio.gather(
            service.ask(list[DatasetState], "GET", "datasets"),
            service.ask(list[Job], "GET", "prefetches"),
        )
        return Overview(status=status, datasets=datasets, jobs=shown(jobs, time.time()))


def shown(jobs: list[Job], now: float) -> list[Job]:
    """Return the prefetches that run, or whose end is news."""
    return [
        one
        for one in jobs
        if one.ended is None
        or now - one.ended < (FAILED_SHOWN if one.state == "failed" else DONE_SHOWN)
    ]
