"""Routes below ``/casita/cache``: thin, the work is the service's."""

from __future__ import annotations

from pydantic import BaseModel

from casita.jupyter.handlers import BodyError, allowed
from casita.jupyter.section import ServiceHandler
from casita_cache.models import DatasetState, Evicted, Job, Listing, Pinned, Targets


class Files(ServiceHandler):
    """``cache/files``."""

    @allowed
    async def get(self) -> None:
        """List a folder of an origin, with what its cache has."""
        url = self.get_argument("url", "")
        if not url:
            raise BodyError("url: name a folder of an origin, as root://HOST:PORT//")
        self.reply(await self.ask(Listing, "GET", "files", params={"url": url}))


class Datasets(ServiceHandler):
    """``cache/datasets``."""

    @allowed
    async def get(self) -> None:
        """List the datasets whose name or metadata hold the words of ``search``."""
        search = {"search": self.get_argument("search", "")}
        self.reply(await self.ask(list[DatasetState], "GET", "datasets", params=search))


class Running(ServiceHandler):
    """``cache/prefetch/ID``."""

    @allowed
    async def delete(self, identifier: str) -> None:
        """Stop one; what it has fetched stays."""
        await self.end("DELETE", f"prefetches/{identifier}")


class _WithTargets(ServiceHandler):
    async def do(self, kind: type[BaseModel], path: str) -> BaseModel:
        """Have the service do something with what the request names.

        Raises
        ------
        BodyError
            It names nothing.
        """
        found = self.body(Targets)
        if not found.urls and not found.datasets:
            raise BodyError("urls, datasets: name at least one file or dataset")
        return await self.change(kind, "POST", path, json=found.model_dump())


class Prefetch(_WithTargets):
    """``cache/prefetch``."""

    @allowed
    async def post(self) -> None:
        """Fetch files into the caches."""
        self.reply(await self.do(Job, "prefetches"), 201)


class Pin(_WithTargets):
    """``cache/pin``."""

    @allowed
    async def post(self) -> None:
        """Fetch files, and keep them through purges."""
        self.reply(await self.do(Pinned, "pins"), 201)


class Unpin(_WithTargets):
    """``cache/unpin``."""

    @allowed
    async def post(self) -> None:
        """Keep files no longer."""
        self.reply(await self.do(Pinned, "unpin"))


class Evict(_WithTargets):
    """``cache/evict``."""

    @allowed
    async def post(self) -> None:
        """Remove files from disk, pinned ones excepted."""
        self.reply(await self.do(Evicted, "evict"))
