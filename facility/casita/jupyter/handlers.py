"""What every route below ``/casita/`` of a Jupyter server has in common.

Who may come in is Jupyter's own decision: its login (inside a facility the hub's), its authorizer,
its checks of origin and XSRF.  Each method of a handler is decorated with :func:`allowed`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar, cast

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from pydantic import BaseModel, TypeAdapter, ValidationError
from tornado import web
from tornado.iostream import StreamClosedError

from casita.errors import CasitaError, LoginError, MissingError, ServiceError
from casita.jupyter.watch import Watch

Body = TypeVar("Body", bound=BaseModel)
Method = TypeVar("Method", bound=Callable[..., Any])
Event = tuple[str, BaseModel]
"""Name and content of a server-sent event."""
ALIVE_SECONDS = 20.0
"""After so much silence a comment is sent, so that proxies keep a stream open."""
STREAMS = "casita_streams"
"""Name of the tornado setting that holds the tasks of open streams."""


def allowed(method: Method) -> Method:
    """Let in whom Jupyter's login and authorizer let in."""
    return cast("Method", web.authenticated(authorized(method)))


def answer_for(error: Exception) -> tuple[int, str]:
    """Return (HTTP status, code) for an error that a person may see."""
    match error:
        case MissingError():
            return 404, "not_found"
        case LoginError():
            return 403, "forbidden"
        case ServiceError(refused=True, status=status):
            return status, "refused"
        case ServiceError():
            return 502, "unavailable"
        case CasitaError():
            return 422, "invalid"
        case _:
            return 500, "internal"


class BodyError(CasitaError, ValueError):
    """A request's body or query is wrong; the message names the field."""


class JsonHandler(APIHandler):  # type: ignore[misc]
    """Answers JSON, errors as ``{"error": {"code", "message", "hint"}}``."""

    auth_resource = "casita"

    def body(self, model: type[Body]) -> Body:
        """Return the request's body.

        Raises
        ------
        BodyError
            It is no JSON, or a field is wrong.
        """
        try:
            return model.model_validate_json(self.request.body or b"{}")
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(str(one) for one in first["loc"]) or "the request"
            raise BodyError(f"{field}: {first['msg']}") from None

    def reply(self, content: BaseModel | Sequence[BaseModel], status: int = 200) -> None:
        """Answer with a model or a list of them."""
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        self.finish(TypeAdapter[Any](type(content)).dump_json(content, serialize_as_any=True))

    def reply_nothing(self) -> None:
        """Answer that it is done."""
        self.set_status(204)
        self.finish()

    def update_api_activity(self) -> None:
        """Count what people do, not what their open pages ask for by themselves."""
        if self.request.method != "GET":
            super().update_api_activity()

    # ---- errors

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Choose the status that fits an error of ours."""
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, CasitaError):
            status_code = answer_for(error)[0]
        super().send_error(status_code, **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer in the facility's form; what is not meant for people stays in the log."""
        error = kwargs.get("exc_info", (None, None))[1]
        code, message, hint = "internal", "the Jupyter server failed at this", "its log says why"
        if isinstance(error, CasitaError):
            code, message, hint = answer_for(error)[1], error.message, error.hint
        elif isinstance(error, web.HTTPError):
            code, message, hint = f"http_{status_code}", _said(error) or self._reason, ""
        self.finish({"error": {"code": code, "message": message, "hint": hint}})

    def log_exception(self, kind: Any, error: Any, trace: Any) -> None:
        """Log what was not meant for people with its trace, the rest in a line."""
        if isinstance(error, CasitaError):
            self.log.info("%s %s: %s", self.request.method, self.request.path, error)
        else:
            super().log_exception(kind, error, trace)


class Overview(JsonHandler):
    """Answers all that a part of the panel shows, looked at anew."""

    def initialize(self, watch: Watch[Any]) -> None:
        """Take the watch that looks."""
        self.watch = watch

    @allowed
    async def get(self) -> None:
        """Tell what there is to see now."""
        self.reply(await self.watch.fresh())


def _said(error: web.HTTPError) -> str:
    message = error.log_message or ""
    return message % error.args if error.args else message


def count_changes_only() -> None:
    """Let no GET count as use of the server: JupyterLab's pages send them as long as they are open.

    Kernels and terminals that work, and whatever people change, save or start, count as before.
    """
    APIHandler.update_api_activity = _update_api_activity


def _update_api_activity(self: APIHandler) -> None:
    if self.request.method != "GET":
        _upstream(self)


_upstream = APIHandler.update_api_activity


class EventHandler(JsonHandler):
    """Answers with server-sent events until the browser leaves or the server stops."""

    _task: asyncio.Task[None] | None = None

    async def stream(self, events: AsyncGenerator[Event, None]) -> None:
        """Send events as they come.

        Raises
        ------
        CasitaError
            There was none before ``events`` failed; afterwards the stream just ends.
        """
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Accel-Buffering", "no")
        # A task of its own can be ended by whoever notices first.
        self._task = asyncio.create_task(self._send(events))
        streams: set[asyncio.Task[None]] = self.settings.setdefault(STREAMS, set())
        streams.add(self._task)
        try:
            await asyncio.wait({self._task})
        finally:
            streams.discard(self._task)
        if self._task.cancelled():
            return
        if error := self._task.exception():
            if not self._headers_written:
                raise error
            if not isinstance(error, StreamClosedError):
                self.log.warning("%s ends: %s", self.request.path, error)

    async def _send(self, events: AsyncGenerator[Event, None]) -> None:
        coming = asyncio.ensure_future(anext(events))
        try:
            while True:
                await asyncio.wait({coming}, timeout=ALIVE_SECONDS)
                if coming.done():
                    name, content = coming.result()
                    self.write(f"event: {name}\ndata: {content.model_dump_json()}\n\n")
                    coming = asyncio.ensure_future(anext(events))
                else:
                    self.write(": alive\n\n")
                await self.flush()
        except StopAsyncIteration:
            return
        finally:
            coming.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration, CasitaError):
                await coming
            await events.aclose()

    def on_connection_close(self) -> None:
        """Stop when the browser has gone."""
        if self._task:
            self._task.cancel()

    def finish(self, *chunks: Any, **more: Any) -> Any:
        """End the answer, whose type is not JSON."""
        if self._headers_written:
            more["set_content_type"] = "text/event-stream"
        return super().finish(*chunks, **more)


async def end_streams(settings: dict[str, Any]) -> None:
    """End every stream of a Jupyter server that stops."""
    streams = list(settings.get(STREAMS, ()))
    for one in streams:
        one.cancel()
    if streams:
        await asyncio.wait(streams, timeout=1)
