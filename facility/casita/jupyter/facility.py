"""The header of the Facility panel: who is where, and for how long."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from casita import __version__
from casita.client import Connection, async_session, checked
from casita.errors import CasitaError
from casita.jupyter import bearer, state
from casita.jupyter.events import Events
from casita.jupyter.extension import LOADED, Extension, Route
from casita.jupyter.handlers import JsonHandler, Overview, allowed, count_changes_only
from casita.jupyter.models import FacilityState
from casita.jupyter.session import Session
from casita.jupyter.watch import Watch

WHOAMI = "/services/login/whoami"
LOOK_SECONDS = 5.0
EXPIRY_SECONDS = (60.0, 3600.0)
"""After how long the token's end is asked for again: without and with an answer."""


class FacilityWatch(Watch[FacilityState]):
    """Looks at this server and its facility."""

    def __init__(self, serverapp: Any, session: Session) -> None:
        super().__init__()
        self._app = serverapp
        self._session = session
        self._expires: datetime | None = None
        self._ask_again = 0.0

    def pause(self) -> float | None:
        """Look only while somebody wants to know."""
        return LOOK_SECONDS if self.followers else None

    async def look(self) -> FacilityState:
        """Return what the panel's header shows.

        Raises
        ------
        LoginError
            This server belongs to no facility and nobody is logged in to one.
        """
        found, http = await self._session.open()
        environment = os.environ
        timeout = state.idle_timeout(environment)
        last = self._app.web_app.last_activity()
        manager = self._app.extension_manager
        return FacilityState(
            name=environment.get("CASITA_NAME") or urlsplit(found.url).hostname or "",
            user=environment.get("JUPYTERHUB_USER") or found.user,
            profile=environment.get("CASITA_PROFILE", ""),
            url=found.url,
            version=__version__,
            server_idle_ends=state.idle_end(last, timeout) if timeout else None,
            server_idle_timeout=timeout,
            token_expires=await self._token_end(found, http),
            backends=state.backends(
                environment,
                self._app.web_app.settings.get(LOADED, ()),
                {name: one.enabled for name, one in manager.extensions.items()},
            ),
        )

    async def _token_end(self, found: Connection, http: httpx.AsyncClient) -> datetime | None:
        if found.expires is not None:
            return datetime.fromtimestamp(found.expires, tz=UTC)
        if time.monotonic() >= self._ask_again:
            soon, late = EXPIRY_SECONDS
            self._ask_again = time.monotonic() + soon
            try:
                expires = checked(await http.get(WHOAMI, timeout=3)).get("expires")
            except (CasitaError, AttributeError) as error:
                self._app.log.info("when the token ends is not known: %s", error)
            else:
                self._ask_again += late - soon
                self._expires = datetime.fromtimestamp(expires, tz=UTC) if expires else None
        return self._expires

    async def extend(self) -> FacilityState:
        """Count this moment as use of the server, and let the hub know at once.

        The hub's culler goes by what the hub knows, which otherwise hears of activity every five
        minutes only.

        Raises
        ------
        ServiceError
            The hub does not answer.
        """
        now = datetime.now(UTC)
        self._app.web_app.settings["casita_facility_last_activity"] = now
        if hub := os.environ.get("JUPYTERHUB_ACTIVITY_URL"):
            token, ca = os.environ["JUPYTERHUB_API_TOKEN"], os.environ.get("SSL_CERT_FILE", "")
            server = os.environ.get("JUPYTERHUB_SERVER_NAME", "")
            async with async_session(hub, token, ca) as http:
                checked(await http.post(hub, json=state.activity(now, server), timeout=10))
        return await self.fresh()


class Extend(JsonHandler):
    """``facility/extend``."""

    def initialize(self, watch: FacilityWatch) -> None:
        """Take the watch."""
        self.watch = watch

    @allowed
    async def post(self) -> None:
        """Put the end of an idle server off."""
        self.reply(await self.watch.extend())


class FacilityExtension(Extension):
    """The frame of the Facility panel."""

    name = "casita"

    def initialize(self) -> None:
        """Load it; what open pages ask for by themselves counts as use no more."""
        super().initialize()
        if state.idle_timeout(os.environ):
            count_changes_only()

    def routes(self) -> list[Route]:
        """Return the frame's own routes."""
        self.watch = FacilityWatch(self.serverapp, self.session)
        more = {"watch": self.watch}
        return [
            ("facility", Overview, more),
            ("facility/extend", Extend, more),
            ("events", Events, {"watches": self.all_watches}),
        ]

    def watches(self) -> dict[str, Watch[Any]]:
        """Return the header's."""
        return {"facility": self.watch}

    async def work(self) -> None:
        """Keep looking while somebody follows, and a storage token for the kernels."""
        keeper = bearer.start()
        try:
            await self.watch.run()
        finally:
            if keeper:
                keeper.stop()
