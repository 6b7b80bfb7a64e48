"""``python -m casita_cache.service``: the hub service ``cache``."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
from fastapi import Depends, FastAPI, Query, Request
from prometheus_client.registry import Collector

from casita import __version__
from casita.auth import bearer
from casita.auth.verifier import StorageToken, Verifier
from casita.bearer import Keeper, write
from casita.serving import equip, serve
from casita_cache import metrics
from casita_cache.caches import Caches
from casita_cache.configuration import keys_folder
from casita_cache.desk import STAGE, Desk, ServiceSettings
from casita_cache.freshness import Freshness
from casita_cache.keys import prefill
from casita_cache.models import (
    Access,
    DatasetState,
    Evicted,
    FileState,
    Job,
    Listing,
    OriginState,
    Pinned,
    Status,
    Suspect,
    Targets,
)
from casita_cache.monitor import Monitor
from casita_cache.routing import parse
from casita_cache.tally import ServerTotals

logger = logging.getLogger("casita.cache")
PREFIX = "/services/cache"
VARIABLE = "CASITA_CACHE_SERVICE"
RESUME_SECONDS = 60.0
RENEW_SECONDS = 3.0
BODY_BYTES = 12 * 2**20
"""Enough for a list of a hundred thousand files."""
STATUS_SECONDS = 5.0
TEND_SECONDS = 15.0
"""How often pins are renewed, keys copied and files compared with their origins."""


class Service:
    """The running service."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        self.http = httpx.AsyncClient(timeout=20, trust_env=False)
        self.verifier = Verifier(settings.trust.issuers, settings.trust.audience, self.http)
        caches = (one for one in settings.servers if one.role == "cache")
        self.desk = Desk(settings, Caches(caches, parse(settings.routes), self._renew))
        self.monitor = Monitor(settings.port)
        self.freshness = Freshness(self.desk, settings.revalidate)
        self._renewing = threading.Lock()
        self._renewed = float("-inf")
        self._looking = threading.Lock()
        self._status: Status | None = None
        self._looked = float("-inf")
        self.keeper = Keeper(settings.directory / "bearer", self._own_token)

    def _own_token(self) -> str:
        """Return a token with which the service reads through the caches."""
        token = self.settings.token_file.read_text().strip()
        with httpx.Client(timeout=10, trust_env=False) as http:
            answer = http.post(
                self.settings.issuer,
                data={"audience": self.settings.trust.audience},
                headers={"Authorization": f"Bearer {token}"},
            )
            answer.raise_for_status()
            return str(answer.json()["access_token"])

    def _renew(self) -> bool:
        """Get a new token now; not oftener than it helps."""
        with self._renewing:
            if not self.settings.guarded or time.monotonic() - self._renewed < RENEW_SECONDS:
                return False
            self._renewed = time.monotonic()
            try:
                write(self.settings.directory / "bearer", self._own_token())
            except (httpx.HTTPError, OSError, ValueError, KeyError):
                return False
            return True

    async def caller(self, request: Request) -> StorageToken:
        """Return what the request's storage token says."""
        return await self.verifier.verify(bearer(request.headers.get("Authorization", "")))

    # ---- what it sees to

    @asynccontextmanager
    async def life(self, app: FastAPI) -> AsyncIterator[None]:
        """Run beside the requests."""
        self.settings.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with self.monitor:
            if self.settings.guarded:
                os.environ["BEARER_TOKEN_FILE"] = str(self.settings.directory / "bearer")
                self.keeper.start()
            tasks = [asyncio.create_task(self._tend()), asyncio.create_task(self._resume())]
            yield
            for one in tasks:
                one.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.keeper.stop()
            await asyncio.to_thread(self.desk.jobs.close)
            await asyncio.to_thread(self.desk.pins.close)
            await self.http.aclose()

    async def _resume(self) -> None:
        """Go on with prefetches once there is a token and the caches are up, or not soon."""
        deadline = time.monotonic() + RESUME_SECONDS
        while time.monotonic() < deadline and not await asyncio.to_thread(self._is_ready):
            await asyncio.sleep(1)
        self.desk.jobs.resume()

    def _is_ready(self) -> bool:
        if self.settings.guarded and not (self.settings.directory / "bearer").exists():
            return False
        return all(_answers(one.cache) for one in self.desk.caches.routes.all)

    async def _tend(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._tend_once)
            except Exception:
                logger.exception("the caches were not seen to")
            await asyncio.sleep(TEND_SECONDS)

    def _tend_once(self) -> None:
        if self.settings.guarded:
            one = next(iter(self.desk.caches.servers.values()))
            prefill(keys_folder(one), one.issuers, seconds=0)
        self.desk.pins.refresh()
        self.freshness.look((one.origin, one.path) for one in self.accesses())

    # ---- what it counted

    def totals(self) -> dict[str, ServerTotals]:
        """Return the totals of each cache, by origin."""
        return {
            one.instance.removeprefix("cache-"): one
            for one in self.monitor.snapshot().servers
            if one.instance.startswith("cache-")
        }

    def accesses(self) -> Iterator[Access]:
        """Yield the files that were closed lately, the last one last."""
        names = {one.server: name for name, one in self.totals().items()}
        for one in self.monitor.snapshot().files:
            if origin := names.get(one.server):
                yield Access(
                    origin=origin,
                    path=one.path,
                    hit=one.hit,
                    missed=one.missed,
                    closed=one.closed,
                )

    def recent_status(self) -> Status:
        """Return every cache as of a moment ago: strangers, too, may read the metrics."""
        with self._looking:
            if time.monotonic() - self._looked > STATUS_SECONDS:
                self._status, self._looked = self.status(), time.monotonic()
            assert self._status is not None
            return self._status

    def status(self) -> Status:
        """Return every cache; walks their disks."""
        totals = self.totals()
        origins = [self._origin(name, totals.get(name)) for name in self.desk.caches.servers]
        lost = sum(one.lost + one.unreadable for one in totals.values()) + self.monitor.refused
        return Status(origins=origins, guarded=self.settings.guarded, lost=lost)

    def _origin(self, name: str, totals: ServerTotals | None) -> OriginState:
        route, server = self.desk.caches.routes.named(name), self.desk.caches.servers[name]
        assert route is not None
        files = list(self.desk.caches.stores[name].files())
        counted = totals or ServerTotals(0, 0)
        return OriginState(
            name=name,
            url=route.addresses[0],
            addresses=list(route.addresses),
            cache=route.cache,
            up=_answers(route.cache),
            files=len(files),
            cached=sum(one.info.cached_bytes for one in files),
            size=server.size,
            pinned=sum(
                one.info.cached_bytes
                for one in files
                if route.origin_url(one.path) in self.desk.pins
            ),
            served=counted.served,
            hit=counted.hit,
            missed=counted.missed,
            hit_ratio=counted.hit_ratio,
            saved=counted.saved,
            open_files=counted.open_files,
            version=counted.version,
        )


def _answers(address: str) -> bool:
    where = urlsplit(address)
    try:
        socket.create_connection((where.hostname, where.port or 1094), timeout=2).close()
    except OSError:
        return False
    return True


def build(settings: ServiceSettings) -> FastAPI:
    """Return the application."""
    service = Service(settings)
    app = FastAPI(
        title="casita cache",
        version=__version__,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=service.life,
    )
    registry = equip(app, PREFIX, BODY_BYTES)
    collector: Collector = metrics.Cache(service.recent_status, service.monitor.snapshot, settings)
    registry.register(collector)
    user = Depends(service.caller)
    _add_looking(app, service, user)
    _add_doing(app, service, user)
    _add_prefetches(app, service, user)
    _add_health(app)
    return app


def _add_looking(app: FastAPI, service: Service, user: Any) -> None:
    desk = service.desk

    @app.get(f"{PREFIX}/status")
    def status(caller: StorageToken = user) -> Status:
        """Tell how every cache is, and what it did."""
        return service.status()

    @app.get(f"{PREFIX}/files")
    def files(url: Annotated[str, Query(max_length=4000)], caller: StorageToken = user) -> Listing:
        """List a folder of an origin, with what its cache has."""
        return desk.listing(url, caller)

    @app.get(f"{PREFIX}/file")
    def file(url: Annotated[str, Query(max_length=4000)], caller: StorageToken = user) -> FileState:
        """Tell of one file."""
        return desk.state_of(url, caller)

    @app.get(f"{PREFIX}/datasets")
    def datasets(
        search: Annotated[str, Query(max_length=200)] = "", caller: StorageToken = user
    ) -> list[DatasetState]:
        """List the datasets whose name or metadata hold the words of ``search``."""
        return [desk.dataset_state(one) for one in desk.catalogue.search(search)]

    @app.get(f"{PREFIX}/datasets/{{name}}")
    def dataset(name: str, caller: StorageToken = user) -> dict[str, Any]:
        """Give a dataset in coffea's fileset form."""
        return desk.catalogue.get(name).fileset()

    @app.get(f"{PREFIX}/accesses")
    def accesses(caller: StorageToken = user) -> list[Access]:
        """Tell what the caches did with files that were closed lately."""
        return [one for one in service.accesses() if caller.allows("storage.read", one.path)]


def _add_doing(app: FastAPI, service: Service, user: Any) -> None:
    desk = service.desk

    @app.post(f"{PREFIX}/pins", status_code=201)
    def pin(body: Targets, caller: StorageToken = user) -> Pinned:
        """Fetch files, and keep them through purges; needs ``storage.stage`` for each."""
        return desk.pin(body, caller)

    @app.post(f"{PREFIX}/unpin")
    def unpin(body: Targets, caller: StorageToken = user) -> Pinned:
        """Keep files no longer."""
        return desk.unpin(body, caller)

    @app.post(f"{PREFIX}/evict")
    def evict(
        body: Targets,
        unused: Annotated[float, Query(ge=0)] = 0,
        caller: StorageToken = user,
    ) -> Evicted:
        """Remove files from disk, pinned ones excepted; needs ``storage.stage`` for each."""
        return desk.evict(body, caller, unused=unused)

    @app.post(f"{PREFIX}/suspect")
    def suspect(body: Suspect, caller: StorageToken = user) -> dict[str, bool]:
        """Check a cached copy that gave errors, and drop it if it is corrupt."""
        return {"dropped": desk.suspect(body.url, caller)}


def _add_prefetches(app: FastAPI, service: Service, user: Any) -> None:
    desk = service.desk

    def own(identifier: str, caller: StorageToken = user) -> Job:
        job = desk.jobs.get(identifier)
        if job.user != caller.user:
            caller.require(STAGE, "/")
        return job

    followed = Depends(own)

    @app.post(f"{PREFIX}/prefetches", status_code=201)
    def prefetch(body: Targets, caller: StorageToken = user) -> Job:
        """Fetch files into the caches."""
        return desk.prefetch(body, caller)

    @app.get(f"{PREFIX}/prefetches")
    def prefetches(caller: StorageToken = user) -> list[Job]:
        """List the caller's prefetches, newest first."""
        return [one for one in desk.jobs.all() if one.user == caller.user]

    @app.get(f"{PREFIX}/prefetches/{{identifier}}")
    def one(job: Job = followed) -> Job:
        """Tell how far one is."""
        return job

    @app.delete(f"{PREFIX}/prefetches/{{identifier}}", status_code=204)
    def cancel(job: Job = followed) -> None:
        """Stop one; what it has fetched stays."""
        desk.jobs.cancel(job.id)


def _add_health(app: FastAPI) -> None:
    @app.get(f"{PREFIX}/health")
    def health() -> dict[str, Any]:
        """Alive, ready, version."""
        return {"alive": True, "ready": True, "version": __version__}


if __name__ == "__main__":
    given = ServiceSettings.model_validate_json(os.environ.pop(VARIABLE))
    serve(build(given), given.port)
