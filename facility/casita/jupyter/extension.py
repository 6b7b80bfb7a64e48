"""One part of a user's Jupyter server, with an orderly end."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_server.extension.application import ExtensionApp

from casita.jupyter.handlers import end_streams
from casita.jupyter.session import Session, shared_session
from casita.jupyter.watch import Watch

Route = tuple[str, type, dict[str, Any]]
"""Pattern below ``<base_url>casita/``, handler class, what its ``initialize`` takes."""
WATCHES = "casita_watches"
"""Name of the tornado setting that holds what ``/casita/events`` tells of, by name."""
LOADED = "casita_loaded"
"""Name of the tornado setting that holds the backends whose part was loaded."""


class Extension(ExtensionApp):  # type: ignore[misc]
    """A server extension; the frame's, or a backend's."""

    backend = ""
    """Name of the backend that it belongs to; "" is the frame."""

    def routes(self) -> list[Route]:
        """Return what it serves."""
        return []

    def watches(self) -> dict[str, Watch[Any]]:
        """Return what it tells of in ``/casita/events``, by name of the event."""
        return {}

    async def work(self) -> None:
        """Run from the server's start to its end."""

    @property
    def all_watches(self) -> dict[str, Watch[Any]]:
        """What all parts of the server tell of."""
        found: dict[str, Watch[Any]] = self.serverapp.web_app.settings.setdefault(WATCHES, {})
        return found

    @property
    def session(self) -> Session:
        """The session with the facility, which all parts share."""
        return shared_session(self.serverapp.web_app.settings)

    def initialize_handlers(self) -> None:
        """Add the routes (called by Jupyter Server)."""
        self.handlers.extend((f"/casita/{path}", one, more) for path, one, more in self.routes())
        self.all_watches.update(self.watches())

    def initialize(self) -> None:
        """Load it, and note that this went well."""
        super().initialize()
        self.serverapp.web_app.settings.setdefault(LOADED, set()).add(self.backend)

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        self._working = asyncio.create_task(self.work())

    async def stop_extension(self) -> None:
        """End streams, work and session (called by Jupyter Server)."""
        await end_streams(self.serverapp.web_app.settings)
        if working := getattr(self, "_working", None):
            working.cancel()
            await asyncio.wait({working})
        if not self.backend:  # the frame's: others may still use it
            await self.session.close()
