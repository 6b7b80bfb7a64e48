"""One look at the caches for all pages that want to know."""

from __future__ import annotations

import asyncio
import logging
import time

import httpx

from casita.errors import CasitaError, LoginError, MissingError
from casita.jupyter.session import Session
from casita.jupyter.watch import Watch
from casita_cache.client import AsyncCache
from casita_cache.models import DatasetState, Job, Overview, Problem, Status

logger = logging.getLogger(__name__)
RUNNING_SECONDS = 1.0
"""Between two looks while a prefetch runs."""
SHOWN_SECONDS = 5.0
SETTLING_SECONDS = 5.0
"""So long after a prefetch XCache may still write down what it has."""
ABSENT_SECONDS = 60.0
"""Where the facility has no cache, which its operator changes by a restart."""
DONE_SHOWN, FAILED_SHOWN = 15.0, 3600.0
"""So long prefetches are told of after their end."""


class CacheWatch(Watch[Overview]):
    """Looks at the facility's caches.

    Parameters
    ----------
    session
        With the facility.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._cache: tuple[httpx.AsyncClient, AsyncCache] | None = None

    async def cache(self) -> AsyncCache:
        """Return the client, which keeps its storage token as long as the session lasts.

        Raises
        ------
        LoginError
            There is no facility, or the login has expired.
        """
        _, http = await self._session.open()
        if self._cache is None or self._cache[0] is not http:
            self._cache = http, AsyncCache(http)
        return self._cache[1]

    async def run(self) -> None:
        """Look from the first follower on: many servers never show the panel."""
        await self._wake.wait()
        await super().run()

    def pause(self) -> float | None:
        """Look only while somebody watches, and oftener while a prefetch runs."""
        if not self.followers:
            return None
        if self.seen is None or not self.seen.configured:
            return ABSENT_SECONDS if self.seen else SHOWN_SECONDS
        since = time.time() - SETTLING_SECONDS
        busy = any(one.ended is None or one.ended > since for one in self.seen.jobs)
        return RUNNING_SECONDS if busy else SHOWN_SECONDS

    async def look(self) -> Overview:
        """Return all that the panel shows; if the service can't be asked, what was last known."""
        try:
            return await self._ask()
        except MissingError:
            return Overview(configured=False)
        except LoginError as error:
            self._session.renew()  # perhaps somebody logs in meanwhile
            return self._last_known(Problem(message=error.message, hint=error.hint))
        except CasitaError as error:
            return self._last_known(Problem(message=error.message, hint=error.hint))
        except Exception:
            logger.exception("can't look at the cache")
            return self._last_known(
                Problem(
                    message="the cache can't be looked at",
                    hint="the log of your Jupyter server says why",
                )
            )

    async def _ask(self) -> Overview:
        cache = await self.cache()
        status = await cache.ask(Status, "GET", "status")  # alone: it may have to get a token
        datasets, jobs = await asyncio.gather(
            cache.ask(list[DatasetState], "GET", "datasets"),
            cache.ask(list[Job], "GET", "prefetches"),
        )
        return Overview(status=status, datasets=datasets, jobs=shown(jobs, time.time()))

    def _last_known(self, problem: Problem) -> Overview:
        return (self.seen or Overview()).model_copy(update={"problem": problem})


def shown(jobs: list[Job], now: float) -> list[Job]:
    """Return the prefetches that run, or whose end is news."""
    return [
        one
        for one in jobs
        if one.ended is None
        or now - one.ended < (FAILED_SHOWN if one.state == "failed" else DONE_SHOWN)
    ]
