"""One look at all clusters for all that want to know: panels, and the server's own idle time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from casita.jupyter.section import SectionWatch
from casita.jupyter.session import Session
from casita_clusters.client import FAILED_WITHIN, AsyncClusters
from casita_clusters.models import Cluster, Failure, Overview

CHANGING_SECONDS = 1.0
SHOWN_SECONDS = 2.0
ALONE_SECONDS = 60.0
"""Between two looks while nobody watches: often enough to keep a server whose cluster computes."""


class ClusterWatch(SectionWatch[Overview]):
    """Looks at the user's clusters.

    Parameters
    ----------
    session
        With the facility.
    computing
        Called at each look that finds a cluster with work.
    """

    def __init__(self, session: Session, computing: Callable[[], None]) -> None:
        super().__init__(session, "your clusters", Overview())
        self._computing = computing
        self._failures: dict[str, Failure] = {}
        self._refused: dict[str, Failure] = {}
        self._busy = set[str]()

    async def clusters(self) -> AsyncClusters:
        """Return the client of the user's gateway.

        Raises
        ------
        LoginError
            There is no facility, or the login has expired.
        """
        found, http = await self.session.open()
        return AsyncClusters(http, found.gateway)

    def pause(self) -> float:
        """Look oftener while somebody watches, and most often while something changes."""
        if not self.followers:
            return ALONE_SECONDS
        changing = self.seen is not None and any(map(_changes, self.seen.clusters))
        return CHANGING_SECONDS if changing else SHOWN_SECONDS

    async def ask(self) -> Overview:
        """Return clusters, failures and limits, as the gateway says."""
        clusters = await self.clusters()
        survey, limits = await asyncio.gather(clusters.survey(), clusters.limits())
        # A scheduler that is too busy to answer is as busy as it was.
        silent = {one.name for one in survey.active if one.tasks is None}
        self._busy = {one.name for one in survey.active if one.busy} | (self._busy & silent)
        if self._busy:
            self._computing()
        failures = await asyncio.gather(*(self._failure(clusters, one) for one in survey.failed))
        self._failures = {one.name: one for one in failures}
        return Overview(
            clusters=survey.active, failures=[*self._lately_refused(), *failures], limits=limits
        )

    async def _failure(self, clusters: AsyncClusters, cluster: Cluster) -> Failure:
        known = self._failures.get(cluster.name)
        return known or await clusters.failure(cluster)

    # ---- clusters that did not get what was asked for with them

    def refused(self, failure: Failure) -> None:
        """Tell of a cluster that was given up, as of one that failed."""
        self._refused[failure.name] = failure
        self.hurry()

    def _lately_refused(self) -> list[Failure]:
        since = datetime.now(UTC) - FAILED_WITHIN
        self._refused = {n: one for n, one in self._refused.items() if one.started >= since}
        return list(self._refused.values())[::-1]


def _changes(cluster: Cluster) -> bool:
    """Whether it starts, or gets or loses workers."""
    waits = cluster.wanted is not None and cluster.wanted != cluster.workers
    return cluster.status == "pending" or waits
