"""The gateway's only public door (``python -m casita.gateway.front``): hub service dask-gateway.

API calls pass to the gateway, which authenticates them.  Dashboards are shown to their owner only:
a browser logs in through the hub (OAuth), a program sends a hub token; the gateway decides whether
that token may see the cluster.  The request then goes on with the viewer's token, which the
scheduler's own guard (:mod:`casita.gateway.guard`) asks for, and without any cookie: a scheduler
runs its user's code and must never see the hub's.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from pathlib import Path
from typing import Any

from jupyterhub.services.auth import HubOAuth, HubOAuthCallbackHandler, HubOAuthenticated
from tornado import web
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from casita import __version__
from casita.forwarding import (
    FRAME_BYTES,
    Forwarder,
    confinement,
    copy,
    fetch,
    selected,
)
from casita.gateway import SERVICE
from casita.site import GATEWAY_PREFIX, Site, open_site

logger = logging.getLogger("casita.front")
WAIT_SECONDS = 120
"""Longer than the gateway's long polls."""
BODY_BYTES = 2**20
"""Largest request: the options of a cluster."""


def hub_service(site: Site) -> dict[str, Any]:
    """Return the entry of ``c.JupyterHub.services`` for the gateway."""
    return {
        "name": SERVICE,
        "url": f"http://127.0.0.1:{site.ports['front']}",
        "api_token": site.secret("gateway_token"),
        "oauth_client_id": f"service-{SERVICE}",
        "oauth_no_confirm": True,
        "display": False,
    }


def application(site: Site) -> web.Application:
    """Return the tornado application."""
    login = HubOAuth(
        access_scopes={f"access:services!service={SERVICE}"},
        cookie_options={"samesite": "Lax"},
        api_url=site.hub_api,
        api_token=site.secret("gateway_token"),
        base_url=f"{GATEWAY_PREFIX}/",
        hub_prefix="/hub/",
        oauth_client_id=f"service-{SERVICE}",
        oauth_redirect_uri=f"{GATEWAY_PREFIX}/oauth_callback",
    )
    api = f"http://127.0.0.1:{site.ports['gateway']}"
    dashboards = f"127.0.0.1:{site.ports['gateway_web']}"
    cluster = "(?P<name>[A-Za-z0-9][A-Za-z0-9.]*)"
    return web.Application(
        [
            (f"{GATEWAY_PREFIX}/health", Health),
            (f"{GATEWAY_PREFIX}/oauth_callback", Callback, {"login": login}),
            (f"{GATEWAY_PREFIX}/api/(?:health|version)", Api, {"api": api}),
            (f"{GATEWAY_PREFIX}/api/v1/(?:options|limits|clusters/)", Api, {"api": api}),
            (
                # Not /heartbeat, nor /api/v1/routes: those are the gateway's own parts talking.
                f"{GATEWAY_PREFIX}/api/v1/clusters/{cluster}/(?:scale|adapt|logs)",
                Api,
                {"api": api},
            ),
            (f"{GATEWAY_PREFIX}/api/v1/clusters/{cluster}", ClusterApi, {"api": api}),
            (
                f"{GATEWAY_PREFIX}/clusters/{cluster}/?",
                web.RedirectHandler,
                {"url": f"{GATEWAY_PREFIX}/clusters/{{name}}/status", "permanent": False},
            ),
            (
                f"{GATEWAY_PREFIX}/clusters/{cluster}/(?P<path>.+)",
                Dashboard,
                {"login": login, "api": api, "dashboards": dashboards},
            ),
        ],
        default_handler_class=Nothing,
        cookie_secret=site.secret("front_cookie"),
        websocket_ping_interval=20,
        websocket_max_message_size=FRAME_BYTES,
        log_function=_log,
    )


def _log(handler: web.RequestHandler) -> None:
    # The path only: the OAuth callback's query holds a code.
    logger.info("%d %s %s", handler.get_status(), handler.request.method, handler.request.path)


class Health(web.RequestHandler):
    """``/health``: alive, ready, version."""

    def get(self) -> None:
        """Answer without login."""
        self.write({"alive": True, "ready": True, "version": __version__})


class Nothing(web.RequestHandler):
    """Everything that is not offered."""

    def prepare(self) -> None:
        """Answer 404 in the form of the gateway's API."""
        self.set_status(404)
        self.finish({"error": f"nothing at {self.request.path}"})


class Callback(HubOAuthCallbackHandler):  # type: ignore[misc]
    """The end of a browser's login."""

    def initialize(self, login: HubOAuth) -> None:
        """Take the OAuth client."""
        self.hub_auth = login

    def log_exception(self, *error: Any) -> None:
        """Log without the address, whose query holds a code."""
        logger.warning("login failed: %s", error[1])


class Api(web.RequestHandler):
    """Passes an API call to the gateway and its answer back."""

    def initialize(self, api: str) -> None:
        """Take the gateway's private address."""
        self.api = api

    async def get(self, name: str = "") -> None:
        """Pass the call on; the gateway authenticates it."""
        request = HTTPRequest(
            self.api + str(self.request.uri).removeprefix(GATEWAY_PREFIX),
            method=self.request.method or "GET",
            headers=selected(self.request.headers),
            body=self.request.body if self.request.method in ("POST", "PATCH") else None,
            follow_redirects=False,
            request_timeout=WAIT_SECONDS,
        )
        copy(await fetch(request), self)

    post = delete = get

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer in the form of the gateway's API."""
        self.finish({"error": self._reason})


class ClusterApi(Api):
    """A cluster itself, which can be changed, too."""

    patch = Api.get


class Dashboard(HubOAuthenticated, Forwarder):  # type: ignore[misc]
    """A page, file or websocket of a scheduler's dashboard, for the cluster's owner."""

    def initialize(self, login: HubOAuth, api: str, dashboards: str) -> None:
        """Take the OAuth client and the private addresses."""
        self.hub_auth = login
        self.api = api
        self.dashboards = dashboards

    async def get(self, name: str, path: str) -> None:
        """Show the owner what they asked for; everybody else 401, 403, 404 or the login."""
        token = self._token()
        status = await self._allowed(name, token) if token else 401
        if {".", ".."} & set(path.split("/")):
            status = 404
        if status == 401 and self._is_navigation():
            self.redirect(self.get_login_url())
            return
        if status != 200:
            raise web.HTTPError(status)
        # The address as it was sent: what is decoded here would be another address there.
        prefix = f"{GATEWAY_PREFIX}/clusters/{name}/"
        error = await self.forward(f"http://{self.dashboards}{self.request.uri}", token, prefix)
        if error is not None:
            copy(error, self)

    def set_default_headers(self) -> None:
        """Confine whatever is answered."""
        name = self.request.path.removeprefix(f"{GATEWAY_PREFIX}/clusters/").partition("/")[0]
        prefix = f"{GATEWAY_PREFIX}/clusters/{name}/"
        policy = confinement(self.request.protocol, self.request.host, prefix)
        self.set_header("Content-Security-Policy", policy)
        self.set_header("X-Content-Type-Options", "nosniff")

    def _token(self) -> str:
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        if token:
            return token if scheme.lower() in ("token", "bearer", "jupyterhub") else ""
        cookie = self.get_secure_cookie(self.hub_auth.cookie_name)
        return cookie.decode() if cookie else ""

    async def _allowed(self, name: str, token: str) -> int:
        url = f"{self.api}/api/v1/clusters/{name}"
        answer = await fetch(HTTPRequest(url, headers={"Authorization": f"token {token}"}))
        return answer.code

    def _is_navigation(self) -> bool:
        """Whether a person in a browser opens a page, who can log in."""
        headers = self.request.headers
        if "Authorization" in headers or "Upgrade" in headers:
            return False
        mode = headers.get("Sec-Fetch-Mode")
        return mode == "navigate" if mode else "text/html" in headers.get("Accept", "")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say it in a sentence."""
        sentence = {
            401: "Log in to see this dashboard.",
            403: "This dashboard belongs to somebody else.",
            404: "There is no such cluster.",
        }.get(status_code, "The dashboard can't be shown now.")
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{status_code}: {sentence}\n")


async def serve(site: Site) -> None:
    """Listen on loopback until the program is ended."""
    AsyncHTTPClient.configure(None, max_clients=200, defaults={"connect_timeout": 10})
    application(site).listen(
        site.ports["front"], "127.0.0.1", xheaders=True, max_body_size=BODY_BYTES
    )
    logger.info("gateway's front listens on 127.0.0.1:%d", site.ports["front"])
    await asyncio.Event().wait()


def main() -> None:
    """Run the front of the facility named by ``--state``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    # JupyterHub's login tells the session's id there.
    logging.getLogger("tornado.application").setLevel(logging.WARNING)
    asyncio.run(serve(open_site(parser.parse_args().state)))


if __name__ == "__main__":
    main()
