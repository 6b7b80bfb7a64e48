"""The FastAPI application, and what runs beside its requests."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI

from casita import __version__
from casita.files import private_directory
from casita.serving import equip
from casita_columns.records.database import open_engine
from casita_columns.records.requests import Records
from casita_columns.records.tables import now
from casita_columns.service import metrics
from casita_columns.service.access import Access
from casita_columns.service.answers import add_answers
from casita_columns.service.api import add_api
from casita_columns.service.bell import Bell
from casita_columns.service.desk import Desk
from casita_columns.service.listing import Listing
from casita_columns.service.loans import add_loans
from casita_columns.service.lookup import Lookup
from casita_columns.service.rest import add_rest
from casita_columns.service.upstream import Upstream
from casita_columns.service.work import Work
from casita_columns.settings import ServiceSettings
from casita_columns.store.links import Links
from casita_columns.store.objects import Objects
from casita_columns.store.s3 import add_s3
from casita_columns.store.shelf import Shelf
from casita_columns.workers.codegens import probe
from casita_columns.workers.pool import Crew, Pool
from casita_columns.workers.sandbox import Limits, sandbox

logger = logging.getLogger("casita.columns")
PREFIX = "/services/columns"
BODY_BYTES = 64 * 2**20
"""Enough for a list of half a million files."""
SIDE_WORKERS, SIDE_EACH = 8, 2
TEND_SECONDS = 10.0
CLEAN_SECONDS = 600.0
DATABASE_SECONDS = 45.0
"""So long the database may take to come, e.g. when the machine has just started."""


class Service:
    """The running service."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        columns = settings.columns
        private_directory(settings.directory)
        database = columns.database or f"sqlite:///{settings.directory / 'columns.sqlite'}"
        self.http = httpx.AsyncClient(timeout=20, trust_env=False)
        self.access = Access(settings, self.http)
        self.records = Records(open_engine(database, DATABASE_SECONDS))
        self.objects = Objects.of(
            columns.store, columns.whole_store_options(), settings.directory / "results"
        )
        self.bell = Bell()
        crew = self._crew()
        self.pool = Pool(crew, columns.workers or os.cpu_count() or 1)
        self.side = Pool(crew, SIDE_WORKERS, SIDE_EACH)
        self.work = Work(columns, self.records, self.objects, self.pool, self.bell)
        self.upstream = None
        if columns.upstream:
            self.upstream = Upstream(columns, self.records, self.objects, self.bell)
        listing = Listing(settings, self.side, self.access)
        self.lookup = Lookup(columns, self.records, listing)
        self.desk = Desk(
            settings,
            self.records,
            self.objects,
            probe(settings.python),
            self.lookup,
            self.work,
            self.pool,
            self.side,
            self.bell,
            self.upstream,
        )
        self.key = settings.key_file.read_bytes().strip()
        self.links = Links(settings.url, self.key, columns.keep)

    def _crew(self) -> Crew:
        columns = self.settings.columns
        return Crew(
            sandbox=sandbox(self.settings.python, columns.sandbox),
            limits=Limits(
                columns.memory, int(columns.cpu_time), columns.output, float(columns.file_time)
            ),
            environment=self.settings.environment,
            python=sys.executable,
            accounts=self.settings.profile == "multiuser",
            token_of=self.access.reader,
        )

    @asynccontextmanager
    async def life(self, app: FastAPI) -> AsyncIterator[None]:
        """Run beside the requests."""
        await asyncio.to_thread(self.objects.sweep)
        await asyncio.to_thread(self.desk.resume)
        self.work.start()
        if self.upstream:
            await asyncio.to_thread(self.upstream.start)
        tasks = [
            asyncio.create_task(self._every(TEND_SECONDS, self._tend)),
            asyncio.create_task(self._every(CLEAN_SECONDS, self._clean)),
        ]
        yield
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self._stop)
        await self.http.aclose()

    def _stop(self) -> None:
        self.lookup.close()
        if self.upstream:
            self.upstream.stop()
        self.work.stop()
        self.side.close()
        self.records.close()

    async def _every(self, seconds: float, what: Any) -> None:
        while True:
            try:
                await asyncio.to_thread(what)
            except Exception:
                logger.exception("housekeeping failed")
            await asyncio.sleep(seconds)

    def _tend(self) -> None:
        self.pool.tend()
        self.side.tend()
        self.work.tend()
        if self.records.give_back_lost(self.settings.columns.retries + 1):
            self.work.nudge()

    def _clean(self) -> None:
        since = now() - self.settings.columns.keep
        for one in self.records.older(since):
            self.desk.forget(one)
        self.desk.sweep()
        self.records.forget_datasets(since)


def build(service: Service) -> FastAPI:
    """Return the application."""
    settings = service.settings
    app = FastAPI(
        title="casita columns",
        version=__version__,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=service.life,
    )
    registry = equip(app, PREFIX, BODY_BYTES, files={f"{PREFIX}/loans/": settings.columns.output})
    add_answers(app)
    registry.register(metrics.Columns(service.records, service.pool))
    add_rest(app, PREFIX, service.access, service.desk, service.links)
    add_api(app, PREFIX, service.access, service.desk, service.links)
    add_loans(app, PREFIX, service.access, service.desk)
    add_s3(app, PREFIX, Shelf(service.records), service.objects, service.key)

    @app.get(f"{PREFIX}/health")
    def health() -> dict[str, Any]:
        """Alive, ready, version; 503 while the database is away."""
        service.records.ping()
        return {"alive": True, "ready": True, "version": __version__}

    return app
