"""Dashboards by way of the user's own server: Jupyter's login decides, nobody else's does.

The gateway's front then wants the token of this server's user, and the cluster to be theirs.
"""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from tornado import web

from casita.client import trust
from casita.errors import CasitaError
from casita.forwarding import Forwarder, confinement, copy
from casita.jupyter.handlers import allowed
from casita.jupyter.session import Session

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>body {{ font: 14px system-ui, sans-serif; margin: 2em; }}</style>
<h1 style="font-size: 16px">{title}</h1>
<p>{text}</p>
"""
SENTENCES = {
    403: ("Not your dashboard", "It belongs to somebody else, or your login has expired."),
    404: (
        "This dashboard is gone",
        "The cluster has been stopped, or its dashboard has no such page.",
    ),
    502: (
        "The cluster does not answer",
        "It starts, is very busy or has just been stopped. Reload this page in a moment.",
    ),
}
SECRET = ("token=", "_xsrf=")
"""What Jupyter takes in addresses; a scheduler runs its user's code and logs what it is asked."""
OTHER = ("The dashboard can't be shown", "The log of your Jupyter server says why.")


def without_secrets(address: str) -> str:
    """Return an address without Jupyter's own part of the query."""
    path, _, query = address.partition("?")
    kept = [one for one in query.split("&") if one and not one.startswith(SECRET)]
    return f"{path}?{'&'.join(kept)}" if kept else path


class Dashboard(JupyterHandler, Forwarder):  # type: ignore[misc]
    """``clusters/NAME/dashboard/PATH``: a page, a file or a websocket."""

    auth_resource = "casita"

    def initialize(self, session: Session) -> None:
        """Take the session with the facility."""
        self.session = session

    def get_login_url(self) -> str:
        """Send people who open a page to the login; programs and websockets get 403."""
        headers = self.request.headers
        program = "Authorization" in headers or "Upgrade" in headers
        mode = headers.get("Sec-Fetch-Mode")
        opens = mode == "navigate" if mode else "text/html" in headers.get("Accept", "")
        if program or not opens:
            raise web.HTTPError(403)
        return str(super().get_login_url())

    @allowed
    async def get(self, name: str, path: str) -> None:
        """Show it."""
        if not path:
            self.redirect(f"{self._prefix()}status")
            return
        if {".", ".."} & set(path.split("/")):
            raise web.HTTPError(404)
        found, _ = await self.session.open()
        if found.gateway.startswith("https:") and self.session.trust is None:
            self.session.trust = await asyncio.to_thread(trust, found.ca)
        # As it was sent: what is decoded here would be another address there.
        sent = without_secrets(str(self.request.uri).removeprefix(self._prefix()))
        url = f"{found.gateway}/clusters/{name}/{sent}"
        error = await self.forward(url, found.token, self._prefix(), self.session.trust)
        if error is None:
            return
        if error.code in (400, 405):
            copy(error, self)
            return
        raise web.HTTPError({401: 403, 403: 403, 404: 404}.get(error.code, 502))

    def _prefix(self) -> str:
        """Return the address of the whole dashboard, with a slash at both ends."""
        above = f"{self.base_url}casita/clusters/"
        name = self.request.path.removeprefix(above).partition("/")[0]
        return f"{above}{name}/dashboard/"

    # ---- answers

    def set_default_headers(self) -> None:
        """Confine whatever is answered to this dashboard."""
        super().set_default_headers()
        policy = confinement(self.request.protocol, self.request.host, self._prefix())
        self.set_header("Content-Security-Policy", policy)

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Choose the status that fits an error of ours."""
        if isinstance(kwargs.get("exc_info", (None, None))[1], CasitaError):
            status_code = 502
        super().send_error(status_code, **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say it in a sentence on a plain page."""
        title, text = SENTENCES.get(status_code, OTHER)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(PAGE.format(title=title, text=text))
