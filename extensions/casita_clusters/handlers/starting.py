"""What was asked for with a new cluster is applied when it runs; nobody has to wait for that."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime

from casita.errors import CasitaError, LoginError, MissingError, ServiceError
from casita_clusters import engine
from casita_clusters.client import AsyncClusters
from casita_clusters.handlers.watch import ClusterWatch
from casita_clusters.models import Cluster, Failure, NewCluster

logger = logging.getLogger(__name__)
AGAIN_SECONDS = 1.0


class Starter:
    """Makes clusters and gives them their workers."""

    def __init__(self, watch: ClusterWatch) -> None:
        self._watch = watch
        self._tasks: set[asyncio.Task[None]] = set()

    async def create(self, wish: NewCluster) -> Cluster:
        """Return a new cluster, which starts; its workers come when it runs.

        Raises
        ------
        ServiceError
            Over a limit, or a wrong option; the message says which.
        """
        clusters = await self._watch.clusters()
        if wish.adaptive or wish.workers:
            known, limits = await asyncio.gather(clusters.options(), clusters.limits())
            if refusal := engine.room(wish, known, limits):
                raise ServiceError(refusal, status=409)
        name = await clusters.create(wish.options)
        if wish.adaptive or wish.workers:
            task = asyncio.create_task(self._equip(name, wish))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._watch.hurry()
        return await clusters.get(name)

    async def _equip(self, name: str, wish: NewCluster) -> None:
        began = datetime.now(UTC)
        while True:
            try:
                clusters = await self._watch.clusters()
                found = await clusters.get(name, wait=True)
                if found.status == "running":
                    await _apply(clusters, name, wish)
                    self._watch.hurry()
                if found.status != "pending":
                    return
            except MissingError:
                return  # stopped already
            except (LoginError, ServiceError) as error:
                if isinstance(error, LoginError) or error.refused:
                    await self._give_up(name, wish, began, error)
                    return
                logger.debug("cluster %s waits for its workers: %s", name, error)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _give_up(
        self, name: str, wish: NewCluster, began: datetime, error: CasitaError
    ) -> None:
        """Stop a cluster that can't have its workers, and say why."""
        with contextlib.suppress(CasitaError):
            await (await self._watch.clusters()).stop(name)
        self._watch.refused(
            Failure(
                name=name,
                label=str(wish.options.get("label", "")),
                started=began,
                reason=error.message,
                hint=error.hint or "ask for fewer workers, or stop another cluster first",
            )
        )

    async def end(self) -> None:
        """Stop waiting for clusters; they get no workers any more."""
        for one in self._tasks:
            one.cancel()


async def _apply(clusters: AsyncClusters, name: str, wish: NewCluster) -> None:
    if wish.adaptive:
        await clusters.adapt(name, wish.adaptive.minimum, wish.adaptive.maximum)
    else:
        await clusters.scale(name, wish.workers)
