"""Routes below ``/casita/cache``: thin, the work is the service's."""

from __future__ import annotations

from pydantic import BaseModel

from casita.jupyter.handlers import BodyError, JsonHandler, allowed
from casita_cache.handlers.watch import CacheWatch
from casita_cache.models import DatasetState, Evicted, Job, Listing, Pinned, Targets


class _Handler(JsonHandler):
    def initialize(self, watch: CacheWatch) -> None:
        """Take what all handlers share."""
        self.watch = watch

    def targets(self) -> Targets:
        """Return what the request is about.

        Raises
        ------
        BodyError
            It names nothing.
        """
        found = self.body(Targets)
        if not found.urls and not found.datasets:
            raise BodyError("urls, datasets: name at least one file or dataset")
        return found

    async def change(self, kind: type[BaseModel], path: str) -> BaseModel:
        """Have the service do something with targets; everybody will see it at once."""
        body = self.targets().model_dump()
        answer = await (await self.watch.cache()).ask(kind, "POST", path, json=body)
        self.watch.hurry()
        return answer


class All(_Handler):
    """``cache``."""

    @allowed
    async def get(self) -> None:
        """Tell of caches, datasets and prefetches."""
        self.reply(await self.watch.fresh())


class Files(_Handler):
    """``cache/files``."""

    @allowed
    async def get(self) -> None:
        """List a folder of an origin, with what its cache has."""
        url = self.get_argument("url", "")
        if not url:
            raise BodyError("url: name a folder of an origin, as root://HOST:PORT//")
        cache = await self.watch.cache()
        self.reply(await cache.ask(Listing, "GET", "files", params={"url": url}))


class Datasets(_Handler):
    """``cache/datasets``."""

    @allowed
    async def get(self) -> None:
        """List the datasets whose name or metadata hold the words of ``search``."""
        search = {"search": self.get_argument("search", "")}
        cache = await self.watch.cache()
        self.reply(await cache.ask(list[DatasetState], "GET", "datasets", params=search))


class Prefetch(_Handler):
    """``cache/prefetch``."""

    @allowed
    async def post(self) -> None:
        """Fetch files into the caches."""
        self.reply(await self.change(Job, "prefetches"), 201)


class Running(_Handler):
    """``cache/prefetch/ID``."""

    @allowed
    async def delete(self, identifier: str) -> None:
        """Stop one; what it has fetched stays."""
        cache = await self.watch.cache()
        await cache.ask(type(None), "DELETE", f"prefetches/{identifier}")
        self.watch.hurry()
        self.reply_nothing()


class Pin(_Handler):
    """``cache/pin``."""

    @allowed
    async def post(self) -> None:
        """Fetch files, and keep them through purges."""
        self.reply(await self.change(Pinned, "pins"), 201)


class Unpin(_Handler):
    """``cache/unpin``."""

    @allowed
    async def post(self) -> None:
        """Keep files no longer."""
        self.reply(await self.change(Pinned, "unpin"))


class Evict(_Handler):
    """``cache/evict``."""

    @allowed
    async def post(self) -> None:
        """Remove files from disk, pinned ones excepted."""
        self.reply(await self.change(Evicted, "evict"))
