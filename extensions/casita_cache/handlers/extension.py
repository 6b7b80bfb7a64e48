"""The server extension of the cache."""

from __future__ import annotations

from typing import Any

from casita.jupyter.extension import Extension, Route
from casita.jupyter.handlers import Overview
from casita.jupyter.watch import Watch
from casita_cache.handlers import routes
from casita_cache.handlers.watch import CacheWatch

JOB = "([A-Za-z0-9]+)"


class CacheExtension(Extension):
    """Serves the Cache section of the Facility panel."""

    name = "casita_cache"
    backend = "cache"

    def routes(self) -> list[Route]:
        """Return everything below ``cache``."""
        self.watch = CacheWatch(self.session)
        more = {"watch": self.watch}
        return [
            ("cache", Overview, more),
            ("cache/files", routes.Files, more),
            ("cache/datasets", routes.Datasets, more),
            ("cache/prefetch", routes.Prefetch, more),
            (f"cache/prefetch/{JOB}", routes.Running, more),
            ("cache/pin", routes.Pin, more),
            ("cache/unpin", routes.Unpin, more),
            ("cache/evict", routes.Evict, more),
        ]

    def watches(self) -> dict[str, Watch[Any]]:
        """Return the overview's."""
        return {"cache": self.watch}

    async def work(self) -> None:
        """Look at the caches while somebody follows, until the server stops."""
        await self.watch.run()
