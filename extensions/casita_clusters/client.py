"""Clusters over Dask Gateway's REST API: for terminals and kernels, and for event loops.

httpx and not ``dask_gateway.Gateway``, since that loads distributed, which a terminal and every
user's Jupyter server can do without.
"""

from __future__ import annotations

import asyncio
import contextlib
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib.metadata import distributions
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import httpx

from casita.errors import CasitaError, MissingError, ServiceError
from casita_clusters import engine, wire
from casita_clusters.models import Cluster, ClusterLogs, Failure, Limits, Option, Page

Answer = TypeVar("Answer")
TOGETHER = 16
"""Schedulers that are asked at the same time."""
FAILED_WITHIN = timedelta(hours=1)
"""How long a failure is told of."""


class Survey(NamedTuple):
    """A user's clusters."""

    active: list[Cluster]
    """Those that start or run, oldest first."""
    failed: list[Cluster]
    """Those that failed within the last hour, newest first."""


class _Gateway:
    """Where a gateway is: for clients, and for browsers."""

    def __init__(self, base: httpx.URL, gateway: str) -> None:
        self.path = urlsplit(gateway).path
        # A server's own way to the gateway may be a private one.
        self.public = str(base).rstrip("/") + self.path


class Clusters:
    """The clusters of the user whose token a session holds.

    Parameters
    ----------
    http
        Session with the facility.
    gateway
        URL of the gateway.
    """

    def __init__(self, http: httpx.Client, gateway: str) -> None:
        self._http = http
        self._gateway = _Gateway(http.base_url, gateway)

    def _send(self, call: wire.Call[Answer]) -> Answer:
        request = self._http.build_request(**call.arguments(self._gateway.path))
        return call.answer(self._http.send(request))

    def survey(self) -> Survey:
        """Return what starts, runs or failed lately."""
        records = self._send(wire.clusters("pending", "running", "failed"))
        with ThreadPoolExecutor(TOGETHER) as pool:
            return Survey(
                list(pool.map(self._whole, (one for one in records if one.active))),
                [_bare(one, self._gateway) for one in _lately_failed(records)],
            )

    def list(self) -> list[Cluster]:
        """Return the clusters that start or run, oldest first."""
        return self.survey().active

    def failures(self) -> Sequence[Failure]:
        """Return what failed within the last hour and why, newest first."""
        return [self.failure(one) for one in self.survey().failed]

    def get(self, name: str, *, wait: bool = False) -> Cluster:
        """Return one cluster; with ``wait`` the answer may take 20 s while it starts.

        Raises
        ------
        MissingError
            There is none, or it is somebody else's.
        """
        return self._whole(self._send(wire.cluster(name, wait=wait)))

    def _whole(self, record: wire.Record) -> Cluster:
        known = self._facts(record.name) if record.running else None
        return wire.merged(record, known, self._gateway.public)

    def _facts(self, name: str) -> wire.Facts | None:
        with contextlib.suppress(CasitaError):
            try:
                return self._send(wire.facts(name))
            except MissingError:
                return self._send(wire.counts(name))
        return None

    def options(self) -> Sequence[Option]:
        """Return what can be chosen for a new cluster."""
        return self._send(wire.options())

    def limits(self) -> Limits:
        """Return what the user has and may have."""
        return self._send(wire.limits())

    def create(self, options: Mapping[str, Any] | None = None) -> str:
        """Ask for a cluster and return its name.

        Raises
        ------
        ServiceError
            Over a limit, or a wrong option; the gateway's sentence says which.
        """
        return self._send(wire.create(options or {}))

    def wait(
        self,
        name: str,
        workers: int = 0,
        patience: float = 120,
        tick: Callable[[Cluster], None] = lambda cluster: None,
    ) -> Cluster:
        """Return the cluster once it runs with that many workers.

        Raises
        ------
        ServiceError
            It failed; the message holds reason and log. Or it took longer than ``patience`` s.
        """
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            cluster = self.get(name, wait=True)
            tick(cluster)
            if cluster.status not in ("pending", "running"):
                logs = self.logs(name)
                # The gateway answers STOPPING until the last process has gone.
                raise ServiceError(engine.failure(name, logs), hint=engine.hint(logs))
            if cluster.status == "running" and (not workers or (cluster.workers or 0) >= workers):
                return cluster
            time.sleep(0.3)
        missing = f"get {workers} workers" if workers else "start"
        raise ServiceError(
            f"cluster {name} did not {missing} within {patience:.0f} s",
            hint=f"`casita clusters logs {name}` may say why",
        )

    def failure(self, cluster: Cluster) -> Failure:
        """Return why a cluster failed."""
        return engine.failed(cluster, self.logs(cluster.name))

    def scale(self, name: str, workers: int) -> str:
        """Set the number of workers; returns the gateway's remark, or ""."""
        return self._send(wire.scale(name, workers))

    def adapt(self, name: str, minimum: int, maximum: int | None, *, active: bool = True) -> str:
        """Let the number of workers follow the load; ``active=False`` ends that."""
        return self._send(wire.adapt(name, minimum, maximum, active=active))

    def rename(self, name: str, label: str) -> None:
        """Give a cluster a name for people; "" takes it away."""
        self._send(wire.rename(name, label))

    def stop(self, name: str) -> None:
        """Stop a cluster; nothing happens if it has stopped already."""
        self._send(wire.stop(name))

    def abandon(self, name: str) -> None:
        """Stop a cluster that is of no use any more, if anybody listens."""
        with contextlib.suppress(CasitaError):
            self.stop(name)

    def logs(self, name: str, lines: int = 200) -> ClusterLogs:
        """Return the end of every process's log, also of a cluster that failed."""
        return self._send(wire.logs(name, lines))

    def packages(self, name: str) -> wire.Packages:
        """Return the Python environment of a cluster's scheduler."""
        return self._send(wire.packages(name))


class AsyncClusters:
    """The same for programs with an event loop, which nothing here holds up."""

    def __init__(self, http: httpx.AsyncClient, gateway: str) -> None:
        self._http = http
        self._gateway = _Gateway(http.base_url, gateway)
        self._together = asyncio.Semaphore(TOGETHER)

    async def _send(self, call: wire.Call[Answer]) -> Answer:
        request = self._http.build_request(**call.arguments(self._gateway.path))
        return call.answer(await self._http.send(request))

    async def survey(self) -> Survey:
        """Return what starts, runs or failed lately."""
        records = await self._send(wire.clusters("pending", "running", "failed"))
        active = await asyncio.gather(*(self._whole(one) for one in records if one.active))
        return Survey(active, [_bare(one, self._gateway) for one in _lately_failed(records)])

    async def get(self, name: str, *, wait: bool = False) -> Cluster:
        """Return one cluster, see :meth:`Clusters.get`."""
        return await self._whole(await self._send(wire.cluster(name, wait=wait)))

    async def _whole(self, record: wire.Record) -> Cluster:
        known = await self._facts(record.name) if record.running else None
        return wire.merged(record, known, self._gateway.public)

    async def _facts(self, name: str) -> wire.Facts | None:
        with contextlib.suppress(CasitaError):
            async with self._together:
                try:
                    return await self._send(wire.facts(name))
                except MissingError:
                    return await self._send(wire.counts(name))
        return None

    async def options(self) -> Sequence[Option]:
        """Return what can be chosen for a new cluster."""
        return await self._send(wire.options())

    async def limits(self) -> Limits:
        """Return what the user has and may have."""
        return await self._send(wire.limits())

    async def create(self, options: Mapping[str, Any]) -> str:
        """Ask for a cluster and return its name, see :meth:`Clusters.create`."""
        return await self._send(wire.create(options))

    async def failure(self, cluster: Cluster) -> Failure:
        """Return why a cluster failed."""
        return engine.failed(cluster, await self.logs(cluster.name))

    async def scale(self, name: str, workers: int) -> str:
        """Set the number of workers; returns the gateway's remark, or ""."""
        return await self._send(wire.scale(name, workers))

    async def adapt(
        self, name: str, minimum: int, maximum: int | None, *, active: bool = True
    ) -> str:
        """Let the number of workers follow the load; ``active=False`` ends that."""
        return await self._send(wire.adapt(name, minimum, maximum, active=active))

    async def rename(self, name: str, label: str) -> None:
        """Give a cluster a name for people; "" takes it away."""
        await self._send(wire.rename(name, label))

    async def stop(self, name: str) -> None:
        """Stop a cluster; nothing happens if it has stopped already."""
        await self._send(wire.stop(name))

    async def logs(self, name: str, lines: int = 200) -> ClusterLogs:
        """Return the end of every process's log, also of a cluster that failed."""
        return await self._send(wire.logs(name, lines))

    async def packages(self, name: str) -> wire.Packages:
        """Return the Python environment of a cluster's scheduler."""
        return await self._send(wire.packages(name))

    async def pages(self, name: str) -> Sequence[Page]:
        """Return the pages of a cluster's dashboard, the useful ones first."""
        return await self._send(wire.pages(name))


def _lately_failed(records: Iterable[wire.Record]) -> list[wire.Record]:
    since = datetime.now(UTC) - FAILED_WITHIN
    return [one for one in records if one.failed_since(since)][::-1]


def _bare(record: wire.Record, gateway: _Gateway) -> Cluster:
    return wire.merged(record, None, gateway.public)


def installed() -> dict[str, str]:
    """Return the versions of what is installed beside this program, "python" among them."""
    # The first on the path is the one that is imported.
    found = reversed([(one.name, one.version) for one in distributions() if one.name])
    return {**dict(found), "python": platform.python_version()}
