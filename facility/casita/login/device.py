"""The device flow (RFC 8628): how a terminal asks for a token and comes to fetch it.

Its forms and its error names are the RFC's own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Form, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from prometheus_client import Counter

from casita.login import scopes
from casita.login.hub import Hub
from casita.login.store import LIFETIME, Store
from casita.login.store import Request as Asked
from casita.login.tokens import printable
from casita.serving import Refused, what_is_invalid
from casita.site import LOGIN_PREFIX, Site

logger = logging.getLogger("casita.login")
POLL_SECONDS = 2
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
PAGE = f"{LOGIN_PREFIX}/"


class _Route(APIRoute):
    """Answers wrong forms as OAuth does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await inner(request)
            except RequestValidationError as error:
                return _error("invalid_request", what_is_invalid(error.errors()))

        return handle


def _error(code: str, description: str) -> JSONResponse:
    return _answer({"error": code, "error_description": description}, 400)


def _answer(content: dict[str, Any], status: int = 200) -> JSONResponse:
    return JSONResponse(content, status_code=status, headers={"Cache-Control": "no-store"})


def add(app: FastAPI, made: Counter) -> None:
    """Add ``POST device`` and ``POST token`` to the application."""
    router = APIRouter(route_class=_Route)
    _add_begin(app, router)
    _add_fetch(app, router, made)
    app.include_router(router)


def _add_begin(app: FastAPI, router: APIRouter) -> None:
    site: Site = app.state.site
    store: Store = app.state.store

    @router.post(f"{LOGIN_PREFIX}/device")
    def begin(
        request: Request,
        scope: Annotated[str, Form(max_length=500)] = "",
        client: Annotated[str, Form(max_length=80)] = "a terminal",
        expires_in: Annotated[int, Form(gt=0)] = 86400,
    ) -> Response:
        """Begin: sections 3.1 and 3.2."""
        known = app.state.known
        names = list(dict.fromkeys(scope.split())) or scopes.default(known)
        if wrong := scopes.unknown(names, known):
            there = ", ".join(sorted(known))
            return _error("invalid_scope", f"unknown scope {wrong[0]!r}; there are: {there}")
        address = request.client.host if request.client else "?"
        seconds = min(expires_in, site.config.login.token_lifetime)
        try:
            device, code = store.add(printable(client), address, names, seconds)
        except OverflowError:
            return _error("slow_down", "too many logins are open: try again in ten minutes")
        return _answer(
            {
                "device_code": device,
                "user_code": code,
                "verification_uri": f"{site.url}{PAGE}",
                "verification_uri_complete": f"{site.url}{PAGE}?code={code}",
                "expires_in": LIFETIME,
                "interval": POLL_SECONDS,
            }
        )


def _add_fetch(app: FastAPI, router: APIRouter, made: Counter) -> None:
    store: Store = app.state.store

    @router.post(f"{LOGIN_PREFIX}/token")
    async def fetch(
        device_code: Annotated[str, Form(max_length=200)],
        grant_type: Annotated[str, Form(max_length=200)] = GRANT,
    ) -> Response:
        """Ask whether it was approved: sections 3.4 and 3.5."""
        if grant_type != GRANT:
            return _error("unsupported_grant_type", f"use {GRANT}")
        asked, since = store.poll(device_code)
        if asked is None:
            return _error("expired_token", "this login has expired or was used")
        if asked.state == "pending":
            slow = since < POLL_SECONDS / 2
            return _error("slow_down" if slow else "authorization_pending", "not yet approved")
        if asked.state == "denied":
            store.take(device_code)
            return _error("access_denied", f"{asked.user} denied it")
        return await _hand_over(app, device_code, asked, made)


async def _hand_over(app: FastAPI, device_code: str, asked: Asked, made: Counter) -> Response:
    """Make the token of an approved request and give it to the first who asks, once."""
    hub: Hub = app.state.hub
    wanted = [app.state.known[name] for name in asked.scopes.split() if name in app.state.known]
    try:
        token = await hub.make_token(
            asked.user, wanted, asked.token_seconds, f"login from {asked.client}"
        )
    except Refused as error:
        app.state.store.take(device_code)
        return _error("access_denied", error.message)
    # Only now: had the hub been away, the terminal could ask again.
    if not app.state.store.take(device_code):
        await hub.revoke(asked.user, token["id"])
        return _error("expired_token", "this login was used")
    made.labels("device").inc()
    logger.info("token made", extra={"fields": {"token": token["id"], "user": asked.user}})
    return _answer(
        {
            "access_token": token["token"],
            "token_type": "bearer",
            "expires_in": asked.token_seconds,
            "scope": asked.scopes,
            "user": asked.user,
        }
    )
