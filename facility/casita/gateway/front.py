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
import json
import logging
from pathlib import Path
from typing import Any

from jupyterhub.services.auth import HubOAuth, HubOAuthCallbackHandler, HubOAuthenticated
from tornado import web, websocket
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from tornado.httputil import HTTPHeaders

from casita import __version__
from casita.gateway import SERVICE
from casita.site import GATEWAY_PREFIX, Site, open_site

logger = logging.getLogger("casita.front")
REQUEST_HEADERS = ("Accept", "Authorization", "Content-Type", "User-Agent")
"""What is passed on to the gateway; never a cookie."""
DROPPED = {"connection", "content-length", "content-encoding", "transfer-encoding", "set-cookie"}
"""Answer headers that are this program's own business, or nobody's."""
WAIT_SECONDS = 120
"""Longer than the gateway's long polls."""
FRAME_BYTES = 64 * 2**20
"""Largest websocket message: a task stream of a large cluster."""


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
        api_url=site.hub_api,
        api_token=site.secret("gateway_token"),
        base_url=f"{GATEWAY_PREFIX}/",
        hub_prefix="/hub/",
        oauth_client_id=f"service-{SERVICE}",
        oauth_redirect_uri=f"{GATEWAY_PREFIX}/oauth_callback",
    )
    api = f"http://127.0.0.1:{site.ports['gateway']}"
    dashboards = f"127.0.0.1:{site.ports['gateway_web']}"
    cluster = r"(?P<name>[A-Za-z0-9.]+)"
    return web.Application(
        [
            (f"{GATEWAY_PREFIX}/health", Health),
            (f"{GATEWAY_PREFIX}/oauth_callback", Callback, {"login": login}),
            (f"{GATEWAY_PREFIX}(?P<path>/api/(?:health|version))", Api, {"api": api}),
            (f"{GATEWAY_PREFIX}(?P<path>/api/v1/(?:options|limits|clusters/))", Api, {"api": api}),
            (
                # Not /heartbeat, nor /api/v1/routes: those are the gateway's own parts talking.
                f"{GATEWAY_PREFIX}(?P<path>/api/v1/clusters/[A-Za-z0-9.]+(?:/(?:scale|adapt|logs))?)",
                Api,
                {"api": api},
            ),
            (
                f"{GATEWAY_PREFIX}/clusters/{cluster}(?P<path>/.*)?",
                Dashboard,
                {"login": login, "api": api, "dashboards": dashboards},
            ),
            (".*", Nothing),
        ],
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

    def check_xsrf_cookie(self) -> None:
        """Nothing is changed here."""


class Callback(HubOAuthCallbackHandler):  # type: ignore[misc]
    """The end of a browser's login."""

    def initialize(self, login: HubOAuth) -> None:
        """Take the OAuth client."""
        self.hub_auth = login


class Api(web.RequestHandler):
    """Passes an API call to the gateway and its answer back."""

    def initialize(self, api: str) -> None:
        """Take the gateway's private address."""
        self.api = api

    async def get(self, path: str) -> None:
        """Pass the call on; the gateway authenticates it."""
        await self._pass(path)

    post = delete = get

    async def _pass(self, path: str) -> None:
        body = self.request.body if self.request.method == "POST" else None
        query = f"?{self.request.query}" if self.request.query else ""
        answer = await _fetch(
            HTTPRequest(
                f"{self.api}{path}{query}",
                method=self.request.method,
                headers=_selected(self.request.headers),
                body=body,
                request_timeout=WAIT_SECONDS,
            )
        )
        _copy(answer, self)


class Dashboard(HubOAuthenticated, websocket.WebSocketHandler):  # type: ignore[misc]
    """A page, file or websocket of a scheduler's dashboard, for the cluster's owner."""

    def initialize(self, login: HubOAuth, api: str, dashboards: str) -> None:
        """Take the OAuth client and the private addresses."""
        self.hub_auth = login
        self.api = api
        self.dashboards = dashboards
        self.upstream: websocket.WebSocketClientConnection | None = None

    async def get(self, name: str, path: str | None) -> None:
        """Show the owner what they asked for; everybody else 401, 403, 404 or the login."""
        token = self._token()
        status = await self._allowed(name, token) if token else 401
        if status == 401 and self._is_navigation():
            self.redirect(self.get_login_url())
            return
        if status != 200:
            raise web.HTTPError(status)
        query = f"?{self.request.query}" if self.request.query else ""
        address = f"{self.dashboards}{GATEWAY_PREFIX}/clusters/{name}{path or '/'}{query}"
        if self.request.headers.get("Upgrade", "").lower() == "websocket":
            await self._connect(f"ws://{address}", token)
            await websocket.WebSocketHandler.get(self)
        else:
            request = HTTPRequest(
                f"http://{address}",
                headers=_selected(self.request.headers) | {"Authorization": f"token {token}"},
                follow_redirects=False,
                request_timeout=WAIT_SECONDS,
            )
            _copy(await _fetch(request), self)

    def _token(self) -> str:
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        if token:
            return token if scheme.lower() in ("token", "bearer", "jupyterhub") else ""
        cookie = self.get_secure_cookie(self.hub_auth.cookie_name)
        return cookie.decode() if cookie else ""

    async def _allowed(self, name: str, token: str) -> int:
        url = f"{self.api}/api/v1/clusters/{name}"
        answer = await _fetch(HTTPRequest(url, headers={"Authorization": f"token {token}"}))
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

    # ---- websockets: bokeh's protocol carries its session token as a second subprotocol

    async def _connect(self, url: str, token: str) -> None:
        self._offered = [
            one.strip()
            for one in self.request.headers.get("Sec-WebSocket-Protocol", "").split(",")
            if one.strip()
        ]
        try:
            self.upstream = await websocket.websocket_connect(
                HTTPRequest(url, headers={"Authorization": f"token {token}"}, connect_timeout=10),
                subprotocols=self._offered or None,
                max_message_size=FRAME_BYTES,
                ping_interval=20,
            )
        except (HTTPClientError, OSError) as error:
            raise web.HTTPError(502) from error

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Choose what the scheduler chose."""
        return self.upstream.selected_subprotocol if self.upstream else None

    def open(self, *args: str, **kwargs: str) -> None:
        """Start to carry messages from the scheduler to the browser."""
        self._carrying = asyncio.ensure_future(self._carry())

    async def _carry(self) -> None:
        assert self.upstream is not None
        while (message := await self.upstream.read_message()) is not None:
            try:
                await self.write_message(message, binary=isinstance(message, bytes))
            except websocket.WebSocketClosedError:
                break
        self.close()

    async def on_message(self, message: str | bytes) -> None:
        """Carry a message from the browser to the scheduler."""
        if self.upstream:
            try:
                await self.upstream.write_message(message, binary=isinstance(message, bytes))
            except websocket.WebSocketClosedError:
                self.close()

    def on_close(self) -> None:
        """Hang up on the scheduler when the browser has gone."""
        if self.upstream:
            self.upstream.close()


async def _fetch(request: HTTPRequest) -> HTTPResponse:
    """Return any answer, also an error; 502 when nobody answers.

    Raises
    ------
    tornado.web.HTTPError
        502 with a sentence.
    """
    request.decompress_response = True
    try:
        return await AsyncHTTPClient().fetch(request, raise_error=False)
    except OSError as error:
        raise web.HTTPError(502, "the gateway does not answer") from error


def _selected(headers: HTTPHeaders) -> dict[str, str]:
    return {name: headers[name] for name in REQUEST_HEADERS if name in headers}


def _copy(answer: HTTPResponse, handler: web.RequestHandler) -> None:
    if answer.code == 599:
        handler.set_status(502)
        handler.finish(json.dumps({"error": "the gateway does not answer"}))
        return
    handler.set_status(answer.code, answer.reason)
    for name, value in answer.headers.get_all():
        if name.lower() not in DROPPED:
            handler.set_header(name, value)
    handler.finish(answer.body if answer.code not in (204, 304) else None)


async def serve(site: Site) -> None:
    """Listen on loopback until the program is ended."""
    AsyncHTTPClient.configure(None, max_clients=200, defaults={"connect_timeout": 10})
    application(site).listen(site.ports["front"], "127.0.0.1", xheaders=True)
    logger.info("gateway's front listens on 127.0.0.1:%d", site.ports["front"])
    await asyncio.Event().wait()


def main() -> None:
    """Run the front of the facility named by ``--state``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    asyncio.run(serve(open_site(parser.parse_args().state)))


if __name__ == "__main__":
    main()
