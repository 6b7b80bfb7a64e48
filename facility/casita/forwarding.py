"""Shows a dashboard that another server has: its pages, files and websockets, and no more of it.

A dashboard's page lives on the origin of whoever shows it, the hub's front or a user's own Jupyter
server, and the code of the cluster's owner writes it.  It is shown to its owner alone, whom that
code could reach anyway through their notebooks; still the request goes on without any cookie, the
answer keeps harmless headers only, and :func:`confinement` lets the page's scripts talk to this
dashboard but to nothing else of the origin.  (A plain ``sandbox allow-scripts`` would be stricter,
but its scripts and websockets come without the login cookie, so nothing is drawn.)

That holds for a page in a tab of the browser.  In a frame of a page of the same origin, as in
JupyterLab, its scripts reach that page, and so all that its user can do there.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urljoin, urlsplit

from tornado import web, websocket
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse
from tornado.httputil import HTTPHeaders

REQUEST_HEADERS = ("Accept", "Authorization", "Content-Type", "User-Agent")
"""What is passed on; never a cookie."""
ANSWER_HEADERS = (
    "Cache-Control",
    "Content-Disposition",
    "Content-Type",
    "Etag",
    "Expires",
    "Last-Modified",
    "Retry-After",
    "Vary",
    "WWW-Authenticate",
)
"""What is passed back; never a cookie, nor what would widen a page's rights on this origin."""
PAGE_SECONDS = 30
"""How long a scheduler may take for a page; busy ones answer late."""
TOGETHER = 16
"""Requests to one dashboard at a time: one that hangs must leave room for the others."""
ALL_TOGETHER = 400
FRAME_BYTES = 64 * 2**20
"""Largest websocket message: a task stream of a large cluster."""


def confinement(scheme: str, host: str, prefix: str) -> str:
    """Return the Content-Security-Policy of a dashboard's pages.

    Its scripts reach the dashboard below ``prefix`` (with a slash at both ends) only.  They run as
    this origin, so that their requests carry the login; without pop-ups and frames they can't
    borrow another page of the site to go further.
    """
    page = f"{scheme}://{host}{prefix}"
    socket = scheme.replace("http", "ws") + f"://{host}{prefix}"
    return "; ".join(
        (
            "sandbox allow-scripts allow-same-origin allow-downloads",
            f"default-src {page} 'unsafe-inline' 'unsafe-eval' data: blob:",
            f"connect-src {page} {socket}",
            *(f"{one}-src 'none'" for one in ("frame", "object", "worker")),
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'self'",
        )
    )


async def fetch(request: HTTPRequest, client: AsyncHTTPClient | None = None) -> HTTPResponse:
    """Return any answer, also an error.

    Raises
    ------
    tornado.web.HTTPError
        502 when nobody answers.
    """
    try:
        return await (client or AsyncHTTPClient()).fetch(request, raise_error=False)
    except (HTTPClientError, OSError) as error:
        raise web.HTTPError(502, reason="the gateway does not answer") from error


def selected(headers: HTTPHeaders) -> dict[str, str]:
    """Return the request headers that are passed on."""
    return {name: headers[name] for name in REQUEST_HEADERS if name in headers}


def copy(answer: HTTPResponse, handler: web.RequestHandler) -> None:
    """Answer as the other server did."""
    handler.set_status(answer.code, answer.reason)
    for name in ANSWER_HEADERS:
        if name in answer.headers:
            handler.set_header(name, answer.headers[name])
    handler.finish(answer.body if answer.code not in (204, 304) else None)


class _Dashboards:
    """Requests to dashboards, apart from all others, and few to each."""

    def __init__(self) -> None:
        self._client: AsyncHTTPClient | None = None
        self._open: Counter[str] = Counter()

    async def fetch(self, request: HTTPRequest, dashboard: str) -> HTTPResponse:
        """Return any answer.

        Raises
        ------
        tornado.web.HTTPError
            502 when nobody answers, 503 while too many requests to this dashboard wait.
        """
        if self._client is None:
            self._client = AsyncHTTPClient(force_instance=True, max_clients=ALL_TOGETHER)
        with self._counted(dashboard):
            return await fetch(request, self._client)

    @contextmanager
    def _counted(self, dashboard: str) -> Iterator[None]:
        if self._open[dashboard] >= TOGETHER:
            raise web.HTTPError(503, reason="the dashboard is busy")
        self._open[dashboard] += 1
        try:
            yield
        finally:
            self._open[dashboard] -= 1
            if not self._open[dashboard]:
                del self._open[dashboard]


_dashboards = _Dashboards()


def leads_astray(location: str, page: str, prefix: str) -> bool:
    """Whether a redirect leaves a dashboard: browsers ask no policy where it leads within a host.

    Parameters
    ----------
    location
        As the scheduler says.
    page
        Full address of the page.
    prefix
        Path of the dashboard, with a slash at both ends.
    """
    there, here = urlsplit(urljoin(page, location)), urlsplit(page)
    same = (there.scheme, there.netloc) == (here.scheme, here.netloc)
    return not same or not there.path.startswith(prefix) or "%2e" in there.path.lower()


class Forwarder(websocket.WebSocketHandler):
    """A handler that carries a GET, or a websocket, to a dashboard and back.

    Whoever derives from it decides in ``get`` who may see what, then calls :meth:`forward`.
    """

    upstream: websocket.WebSocketClientConnection | None = None

    async def forward(
        self, url: str, token: str, prefix: str, trust: ssl.SSLContext | None = None
    ) -> HTTPResponse | None:
        """Carry this request to ``url`` with the viewer's own token.

        Parameters
        ----------
        url
            http or https, also of a websocket.
        prefix
            Path of the dashboard as the browser sees it, with a slash at both ends.
        trust
            Whose certificates are believed; None: those that the system trusts.

        Returns
        -------
        HTTPResponse or None
            An error of the other server, which has not been passed back.
        """
        headers = {"Authorization": f"token {token}"}
        if self.request.headers.get("Upgrade", "").lower() == "websocket":
            url = url.replace("http", "ws", 1)
            await self._connect(HTTPRequest(url, headers=headers, ssl_options=trust))
            return None
        request = HTTPRequest(
            url,
            headers=selected(self.request.headers) | headers,
            follow_redirects=False,
            request_timeout=PAGE_SECONDS,
            ssl_options=trust,
        )
        answer = await _dashboards.fetch(request, prefix)
        if answer.code >= 400:
            return answer
        if location := answer.headers.get("Location"):
            if leads_astray(location, self.request.full_url(), prefix):
                raise web.HTTPError(502, reason="the dashboard leads elsewhere")
            self.set_header("Location", location)
        copy(answer, self)
        return None

    @property
    def ping_interval(self) -> float | None:
        """Seconds; a browser that has vanished is noticed."""
        return 20

    # ---- websockets: bokeh's protocol carries its session token as a second subprotocol

    async def _connect(self, request: HTTPRequest) -> None:
        origin = self.request.headers.get("Origin")
        if origin and urlsplit(origin).netloc != self.request.host:
            raise web.HTTPError(403)  # another site's page would listen in with this login
        offered = self.request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        request.connect_timeout = 10
        try:
            self.upstream = await websocket.websocket_connect(
                request,
                subprotocols=[one.strip() for one in offered if one.strip()] or None,
                max_message_size=FRAME_BYTES,
                ping_interval=20,
            )
        except (HTTPClientError, OSError) as error:
            raise web.HTTPError(502) from error
        try:
            await websocket.WebSocketHandler.get(self)
        finally:
            if self.ws_connection is None:  # refused, so on_close will not be called
                self.upstream.close()

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
