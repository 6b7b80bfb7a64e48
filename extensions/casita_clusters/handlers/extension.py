"""The server extension of Dask clusters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from casita.jupyter.extension import Extension, Route
from casita.jupyter.watch import Watch
from casita_clusters.handlers import routes
from casita_clusters.handlers.dashboard import Dashboard
from casita_clusters.handlers.starting import Starter
from casita_clusters.handlers.watch import ClusterWatch

NAME = "([A-Za-z0-9][A-Za-z0-9.]*)"


class ClustersExtension(Extension):
    """Serves the Clusters section of the Facility panel."""

    name = "casita_clusters"
    backend = "clusters"

    def routes(self) -> list[Route]:
        """Return everything below ``clusters``."""
        self.watch = ClusterWatch(self.session, self._computing)
        self.starter = Starter(self.watch)
        more = {"watch": self.watch, "starter": self.starter}
        return [
            ("clusters", routes.All, more),
            ("clusters/form", routes.Form, more),
            (f"clusters/{NAME}", routes.One, more),
            (f"clusters/{NAME}/scale", routes.ScaleTo, more),
            (f"clusters/{NAME}/adapt", routes.Adapt, more),
            (f"clusters/{NAME}/logs", routes.Logs, more),
            (f"clusters/{NAME}/logs/events", routes.LogEvents, more),
            (f"clusters/{NAME}/pages", routes.Pages, more),
            (f"clusters/{NAME}/environment", routes.Compare, more),
            (f"clusters/{NAME}/dashboard/(.*)", Dashboard, {"session": self.session}),
        ]

    def watches(self) -> dict[str, Watch[Any]]:
        """Return the overview's."""
        return {"clusters": self.watch}

    def _computing(self) -> None:
        """Keep the server: whoever started long work may well have closed the browser."""
        self.serverapp.web_app.settings["casita_clusters_last_activity"] = datetime.now(UTC)

    async def work(self) -> None:
        """Look at the clusters until the server stops."""
        try:
            await self.watch.run()
        finally:
            await self.starter.end()
