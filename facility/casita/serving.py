"""What every FastAPI service of a facility shares: :func:`equip`.

- Errors as ``{"error": {"code", "message", "hint"}}``, whatever went wrong.
- One JSON log line a request, with an id that the answer carries, too.  It names the *route*, never
  the address: people put codes and, by mistake, tokens there.
- ``/metrics`` for Prometheus, by route and status.
- Bodies of a bounded size.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    disable_created_metrics,
    generate_latest,
)
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from casita.errors import CasitaError, DeniedError, LoginError, MissingError, ServiceError

logger = logging.getLogger("casita.serving")
BODY_BYTES = 64 * 1024
"""Largest request; what is sent here are forms and small documents."""
RETRY_SECONDS = 5
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
}


class Refused(CasitaError):
    """An answer in the facility's error form.

    Parameters
    ----------
    status
        HTTP status.
    code
        For programs.
    """

    def __init__(self, status: int, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code


def equip(
    app: FastAPI,
    prefix: str,
    body_bytes: int = BODY_BYTES,
    *,
    files: Mapping[str, int] | None = None,
) -> CollectorRegistry:
    """Give a service its error answers, log lines, limits and ``<prefix>/metrics``.

    Parameters
    ----------
    body_bytes
        Largest request.
    files
        Largest files, in bytes, that may be PUT below a path.

    Returns
    -------
    prometheus_client.CollectorRegistry
        For the service's own metrics.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each
    registry = CollectorRegistry()
    requests = Counter(
        "casita_requests",
        "Requests by method, route and status.",
        ["method", "route", "status"],
        registry=registry,
    )
    app.add_middleware(_Watch, requests=requests, limit=body_bytes, files=files or {})
    app.add_exception_handler(CasitaError, _explain)
    app.add_exception_handler(RequestValidationError, _explain_validation)
    app.add_exception_handler(HTTPException, _explain_http)
    app.add_exception_handler(Exception, _explain_bug)

    @app.get(f"{prefix}/metrics", include_in_schema=False)
    def metrics() -> Response:
        """Answer in Prometheus' text format."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return registry


# ---- errors


def error_answer(status: int, code: str, message: str, hint: str = "") -> JSONResponse:
    """Return an error in the facility's form."""
    headers = {"Cache-Control": "no-store"}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status == 503:
        headers["Retry-After"] = str(RETRY_SECONDS)
    body = {"error": {"code": code, "message": message, "hint": hint}}
    return JSONResponse(body, status_code=status, headers=headers)


def status_of(error: CasitaError) -> tuple[int, str]:
    """Return (HTTP status, code) for an error that may be shown."""
    if isinstance(error, Refused):
        return error.status, error.code
    if isinstance(error, DeniedError):
        return 403, "forbidden"
    if isinstance(error, LoginError):
        return 401, "unauthorized"
    if isinstance(error, MissingError):
        return 404, "not_found"
    if isinstance(error, ServiceError):
        return 503, "unavailable"
    return 500, "failed"


async def _explain(request: Request, error: Exception) -> Response:
    assert isinstance(error, CasitaError)
    return error_answer(*status_of(error), error.message, error.hint)


async def _explain_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return error_answer(422, "invalid", what_is_invalid(error.errors()))


def what_is_invalid(errors: Sequence[Any]) -> str:
    """Return the first validation error as a sentence that names the field."""
    first = errors[0]
    field = ".".join(str(part) for part in first["loc"][1:]) or "the body"
    return f"{field}: {first['msg'].removeprefix('Value error, ')}"


async def _explain_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = CODES.get(error.status_code, "failed")
    return error_answer(error.status_code, code, str(error.detail))


async def _explain_bug(request: Request, error: Exception) -> Response:
    # The traceback goes to the log; nothing internal leaves.
    return error_answer(500, "failed", "the service made a mistake", hint="its log says which")


# ---- every request


class _Watch:
    """Bounds, counts and logs requests; gives each an id."""

    def __init__(
        self, app: ASGIApp, requests: Counter, limit: int, files: Mapping[str, int]
    ) -> None:
        self._app = app
        self._requests = requests
        self._limit = limit
        self._files = files

    def _most(self, scope: Scope) -> int:
        """Return how many bytes a request may have."""
        below = (size for path, size in self._files.items() if scope["path"].startswith(path))
        return next(below, self._limit) if scope["method"] == "PUT" else self._limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, identifier, status = time.monotonic(), uuid.uuid4().hex[:12], 500
        scope.setdefault("state", {})["request_id"] = identifier

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                named = (b"x-request-id", identifier.encode())
                message = {**message, "headers": [*message["headers"], named]}
            await send(message)

        most = self._most(scope)
        try:
            if _is_too_large(scope, most):
                refusal = error_answer(413, CODES[413], _too_large(most))
                await refusal(scope, receive, answer)
            else:
                await self._app(scope, _bounded(receive, most), answer)
        finally:
            self._note(scope, status, identifier, time.monotonic() - began)

    def _note(self, scope: Scope, status: int, identifier: str, seconds: float) -> None:
        # An address that is no route may hold anything, and so may its method.
        route = getattr(scope.get("route"), "path", "")
        method = scope["method"] if route and scope["method"] in METHODS else ""
        self._requests.labels(method, route, status).inc()
        fields = {"request": identifier, "method": method, "route": route, "status": status}
        logger.info("request", extra={"fields": fields | {"ms": round(1000 * seconds, 1)}})


def _is_too_large(scope: Scope, limit: int) -> bool:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return not value.isdigit() or int(value) > limit
    return False


def _too_large(limit: int) -> str:
    return f"a request holds {limit} bytes here"


def _bounded(receive: Receive, limit: int) -> Receive:
    """Return ``receive`` that gives up on a body which doesn't say how long it is, and is long."""
    left = limit

    async def bounded() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise HTTPException(413, _too_large(limit))
        return message

    return bounded


# ---- logs


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, message and the record's ``fields``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def serve(app: FastAPI, port: int) -> None:
    """Serve on loopback, behind the facility's proxy, until the program is ended."""
    import uvicorn

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    # Its lines hold addresses.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        access_log=False,
        log_config=None,
        log_level="warning",
        timeout_graceful_shutdown=5,
        # The proxy on this machine says who really called.
        proxy_headers=True,
        forwarded_allow_ips="127.0.0.1",
    )
