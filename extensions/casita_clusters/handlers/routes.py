"""Routes below ``/casita/clusters``: thin, the work is the client's and the watch's."""

from __future__ import annotations

import asyncio
import sys

from pydantic import BaseModel

from casita.jupyter.handlers import BodyError, EventHandler, JsonHandler, allowed
from casita_clusters.client import AsyncClusters, installed
from casita_clusters.handlers.logs import follow_logs
from casita_clusters.handlers.starting import Starter
from casita_clusters.handlers.watch import ClusterWatch
from casita_clusters.models import Adaptive, ClusterForm, NewCluster, Rename, Scale

MOST_LINES = 5000
"""Of a log, that the gateway gives."""


class Done(BaseModel):
    """What the gateway remarks on a change, or ""."""

    message: str = ""


class _Handler(JsonHandler):
    def initialize(self, watch: ClusterWatch, starter: Starter) -> None:
        """Take what all handlers share."""
        self.watch = watch
        self.starter = starter

    async def clusters(self) -> AsyncClusters:
        """Return the client."""
        return await self.watch.clusters()

    def done(self, message: str) -> None:
        """Answer a change, which everybody will see at once."""
        self.watch.hurry()
        self.reply(Done(message=message))


class All(_Handler):
    """``clusters``."""

    @allowed
    async def get(self) -> None:
        """List them."""
        self.reply(await self.watch.fresh())

    @allowed
    async def post(self) -> None:
        """Make one; its workers come when it runs."""
        self.reply(await self.starter.create(self.body(NewCluster)), 201)

    @allowed
    async def delete(self) -> None:
        """Stop all."""
        clusters = await self.clusters()
        active = (await clusters.survey()).active
        try:
            await asyncio.gather(*(clusters.stop(one.name) for one in active))
        finally:
            self.watch.hurry()
        self.reply_nothing()


class Form(_Handler):
    """``clusters/form``."""

    @allowed
    async def get(self) -> None:
        """Tell what can be chosen, and what is left."""
        clusters = await self.clusters()
        options, limits = await asyncio.gather(clusters.options(), clusters.limits())
        self.reply(ClusterForm(options=list(options), limits=limits))


class One(_Handler):
    """``clusters/NAME``."""

    @allowed
    async def patch(self, name: str) -> None:
        """Rename it."""
        label = self.body(Rename).label
        clusters = await self.clusters()
        await clusters.rename(name, label)
        self.watch.hurry()
        self.reply(await clusters.get(name))

    @allowed
    async def delete(self, name: str) -> None:
        """Stop it."""
        await (await self.clusters()).stop(name)
        self.watch.hurry()
        self.reply_nothing()


class ScaleTo(_Handler):
    """``clusters/NAME/scale``."""

    @allowed
    async def post(self, name: str) -> None:
        """Set the number of workers by hand."""
        workers = self.body(Scale).workers
        self.done(await (await self.clusters()).scale(name, workers))


class Adapt(_Handler):
    """``clusters/NAME/adapt``."""

    @allowed
    async def post(self, name: str) -> None:
        """Let the number of workers follow the load."""
        bounds = self.body(Adaptive)
        if bounds.maximum is not None and bounds.maximum < bounds.minimum:
            raise BodyError(f"maximum: {bounds.maximum} is less than the minimum {bounds.minimum}")
        clusters = await self.clusters()
        self.done(await clusters.adapt(name, bounds.minimum, bounds.maximum))

    @allowed
    async def delete(self, name: str) -> None:
        """Let it keep the workers that are asked for now."""
        self.done(await (await self.clusters()).adapt(name, 0, 0, active=False))


class Logs(_Handler):
    """``clusters/NAME/logs``."""

    @allowed
    async def get(self, name: str) -> None:
        """Show the end of every process's log."""
        text = self.get_argument("lines", "200")
        if not text.isdecimal() or not 1 <= int(text) <= MOST_LINES:
            raise BodyError(f"lines: must be 1 to {MOST_LINES}, not {text[:20]!r}")
        self.reply(await (await self.clusters()).logs(name, int(text)))


class LogEvents(EventHandler, _Handler):
    """``clusters/NAME/logs/events``."""

    @allowed
    async def get(self, name: str) -> None:
        """Send what the logs hold, then each new line."""
        await self.stream(follow_logs(await self.clusters(), name))


class Pages(_Handler):
    """``clusters/NAME/pages``."""

    @allowed
    async def get(self, name: str) -> None:
        """List the pages of the dashboard."""
        self.reply(list(await (await self.clusters()).pages(name)))


class Compare(_Handler):
    """``clusters/NAME/environment``."""

    @allowed
    async def get(self, name: str) -> None:
        """Compare this server's Python environment with the cluster's."""
        there = await (await self.clusters()).packages(name)
        here = await asyncio.to_thread(installed)  # reads a file for each package
        self.reply(there.compared(sys.prefix, here))
