"""A dask preload: a scheduler's or worker's HTTP server answers its owner only.

Upstream shows dashboards to whoever can reach the port or knows the cluster's name: on the public
URL, on the gateway's own proxy, and on loopback to every other user of the machine.  With this
preload each request to the process itself must carry a hub token with which the gateway would show
this very cluster.  People come through :mod:`casita.gateway.front`, which adds theirs.

Dask imports a preload before it makes its HTTP server, but calls the preload's ``dask_setup`` when
that server already listens, and goes on if it fails.  So importing this module is what puts the
guard in: there is no moment without it, and no failure that leaves a dashboard open.

It needs nothing but dask, so ``--preload /path/to/guard.py`` works in an environment of the user's
own, too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from hashlib import sha256
from typing import Any

from distributed import node
from tornado import httputil
from tornado.httpclient import AsyncHTTPClient, HTTPClientError
from tornado.httpserver import HTTPServer

YES_SECONDS = 60.0
"""How long an owner's token is believed without asking again."""
NO_SECONDS = 5.0
"""How long a refused token stays refused without asking again."""
SCHEMES = ("token", "bearer", "jupyterhub")
REASONS = {401: "Unauthorized", 403: "Forbidden", 503: "Service Unavailable"}
SENTENCES = {
    401: "this dashboard wants its owner's hub token",
    403: "this dashboard is for the cluster's owner",
    503: "the gateway can't be asked who owns this cluster",
}

Check = Callable[[httputil.HTTPHeaders], Awaitable[int]]
"""Returns 200 for the owner, else the status to answer."""


def cluster_url() -> str:
    """Return the URL at which the gateway tells its owner about this process's cluster.

    Raises
    ------
    RuntimeError
        This process was not started by a gateway.
    """
    try:
        return "{DASK_GATEWAY_API_URL}/v1/clusters/{DASK_GATEWAY_CLUSTER_NAME}".format_map(
            os.environ
        )
    except KeyError as missing:
        raise RuntimeError(
            f"{missing.args[0]} is not set, so nobody can say whose dashboard this is; "
            "only Dask Gateway can start a process with this preload"
        ) from None


class OwnerCheck:
    """Asks the gateway whether a token may see the cluster at ``url``; remembers the answer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._known: dict[str, tuple[float, int]] = {}

    async def __call__(self, headers: httputil.HTTPHeaders) -> int:
        """Return 200, 401 (no token, bad token), 403 (somebody else's) or 503 (can't ask)."""
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme.lower() not in SCHEMES or not token:
            return 401
        digest = sha256(token.encode()).hexdigest()
        until, status = self._known.get(digest, (0.0, 0))
        if time.monotonic() > until:
            status = await self._ask(token)
            self._remember(digest, status)
        return status

    async def _ask(self, token: str) -> int:
        try:
            await AsyncHTTPClient().fetch(
                self._url, headers={"Authorization": f"token {token}"}, request_timeout=10
            )
        except HTTPClientError as error:
            return {401: 401, 403: 403, 404: 403}.get(error.code, 503)
        except (TimeoutError, OSError):
            return 503
        return 200

    def _remember(self, digest: str, status: int) -> None:
        now = time.monotonic()
        self._known = {key: value for key, value in self._known.items() if value[0] > now}
        if status != 503:
            self._known[digest] = (now + (YES_SECONDS if status == 200 else NO_SECONDS), status)


class Guard(httputil.HTTPServerConnectionDelegate):
    """Stands before a tornado application and lets checked requests through, websockets too."""

    def __init__(self, application: httputil.HTTPServerConnectionDelegate, check: Check) -> None:
        self._application = application
        self._check = check

    def start_request(
        self, server_conn: object, request_conn: httputil.HTTPConnection
    ) -> httputil.HTTPMessageDelegate:
        """Return the delegate of one request."""
        return _Checked(self._application, self._check, server_conn, request_conn)

    def on_close(self, server_conn: object) -> None:
        """Pass the end of a connection on."""
        self._application.on_close(server_conn)


class _Checked(httputil.HTTPMessageDelegate):
    """One request: refused when its headers are here, or handed to the application."""

    def __init__(
        self,
        application: httputil.HTTPServerConnectionDelegate,
        check: Check,
        server_conn: object,
        request_conn: httputil.HTTPConnection,
    ) -> None:
        self._start = partial(application.start_request, server_conn, request_conn)
        self._check = check
        self._connection = request_conn
        self._inner: httputil.HTTPMessageDelegate | None = None

    async def headers_received(
        self,
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
    ) -> None:
        status = await self._check(headers)
        if status != 200:
            self._refuse(status)
            return
        self._inner = self._start()
        waiting = self._inner.headers_received(start_line, headers)
        if waiting is not None:
            await waiting

    def _refuse(self, status: int) -> None:
        body = f"{status}: {SENTENCES[status]}\n".encode()
        headers = httputil.HTTPHeaders(
            {"Content-Length": str(len(body)), "Content-Type": "text/plain", "Connection": "close"}
        )
        line = httputil.ResponseStartLine("HTTP/1.1", status, REASONS[status])
        self._connection.write_headers(line, headers, body)
        self._connection.finish()

    async def data_received(self, chunk: bytes) -> None:
        waiting = self._inner.data_received(chunk) if self._inner else None
        if waiting is not None:
            await waiting

    def finish(self) -> None:
        if self._inner:
            self._inner.finish()

    def on_connection_close(self) -> None:
        if self._inner:
            self._inner.on_connection_close()


def guarded_server(
    application: httputil.HTTPServerConnectionDelegate, **options: Any
) -> HTTPServer:
    """Return tornado's HTTP server with the guard before ``application``."""
    return HTTPServer(Guard(application, OwnerCheck(cluster_url())), **options)


node.HTTPServer = guarded_server
