"""The FastAPI application of the login service: device flow, tokens, health."""

from __future__ import annotations

import json
import logging
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Form, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from casita import __version__
from casita.auth import HubUser, bearer
from casita.config.units import Duration, format_duration
from casita.errors import CasitaError, LoginError, ServiceError
from casita.login import pages, scopes
from casita.login.hub import Hub
from casita.login.store import LIFETIME, Store
from casita.site import LOGIN_PREFIX, Site

logger = logging.getLogger("casita.login")
POLL_SECONDS = 2
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
OPERATOR_SECONDS = 3600


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


class TokenRequest(BaseModel):
    """What ``POST tokens`` takes."""

    scopes: list[str] = Field(min_length=1, description="Short names, e.g. `gateway`.")
    expires_in: Duration = Field(description='Seconds, or "10m".')
    note: str = Field(default="", max_length=200)


class TokenModel(BaseModel):
    """A token as its owner may see it; ``token`` only in the answer that makes it."""

    id: str
    note: str
    scopes: list[str]
    created: str
    expires_at: str | None
    last_used: str | None
    token: str | None = None


def build(site: Site) -> FastAPI:
    """Return the application."""
    app = FastAPI(
        title="casita login",
        version=__version__,
        openapi_url=f"{LOGIN_PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.site = site
    app.state.hub = Hub(site.hub_api, site.secret("login_token"))
    app.state.store = Store(site.state / "hub" / "login.sqlite")
    app.state.known = scopes.known_scopes(site.backends.values())
    _add_device_flow(app)
    _add_tokens(app)
    _add_about(app)
    pages.add(app)
    app.add_exception_handler(CasitaError, _explain)
    app.middleware("http")(_log)
    return app


# ---- RFC 8628: the forms and error names are its own


def _add_device_flow(app: FastAPI) -> None:
    store: Store = app.state.store
    site: Site = app.state.site
    longest = site.config.login.token_lifetime

    @app.post(f"{LOGIN_PREFIX}/device")
    def device(
        request: Request,
        scope: Annotated[str, Form()] = "",
        client: Annotated[str, Form(max_length=80)] = "a terminal",
        expires_in: Annotated[int, Form(gt=0)] = 86400,
    ) -> Response:
        """Begin: RFC 8628, section 3.1 and 3.2."""
        names = scope.split() or [*scopes.DEFAULT, *(set(app.state.known) - set(scopes.OWN))]
        if wrong := scopes.unknown(names, app.state.known):
            return _oauth_error("invalid_scope", f"unknown scope {wrong[0]!r}")
        address = request.client.host if request.client else "?"
        seconds = min(expires_in, longest)
        try:
            device_code, user_code = store.add(client, address, names, seconds)
        except OverflowError:
            return _oauth_error("slow_down", "too many logins are open; try again in ten minutes")
        return JSONResponse(
            {
                "device_code": device_code,
                "user_code": user_code,
                "verification_uri": f"{site.url}{LOGIN_PREFIX}/",
                "verification_uri_complete": f"{site.url}{LOGIN_PREFIX}/?code={user_code}",
                "expires_in": LIFETIME,
                "interval": POLL_SECONDS,
            },
            headers={"Cache-Control": "no-store"},
        )

    @app.post(f"{LOGIN_PREFIX}/token")
    async def token(
        device_code: Annotated[str, Form(max_length=200)],
        grant_type: Annotated[str, Form()] = DEVICE_GRANT,
    ) -> Response:
        """Ask whether it was approved: RFC 8628, section 3.4 and 3.5."""
        if grant_type != DEVICE_GRANT:
            return _oauth_error("unsupported_grant_type", f"use {DEVICE_GRANT}")
        asked, since = store.poll(device_code)
        if asked is None:
            return _oauth_error("expired_token", "this login has expired or was used")
        if asked.state == "pending":
            slow = since < POLL_SECONDS / 2
            return _oauth_error("slow_down" if slow else "authorization_pending", "not yet")
        if not store.take(device_code):
            return _oauth_error("expired_token", "this login was used")
        if asked.state == "denied":
            return _oauth_error("access_denied", f"{asked.user} denied it")
        names = asked.scopes.split()
        wanted = [app.state.known[name] for name in names if name in app.state.known]
        note = f"login from {asked.client}"
        made = await app.state.hub.make_token(asked.user, wanted, asked.token_seconds, note)
        logger.info("token %s made for %s (%s)", made["id"], asked.user, asked.scopes)
        return JSONResponse(
            {
                "access_token": made["token"],
                "token_type": "bearer",
                "expires_in": asked.token_seconds,
                "scope": asked.scopes,
                "user": asked.user,
            },
            headers={"Cache-Control": "no-store"},
        )


def _oauth_error(code: str, description: str) -> JSONResponse:
    return JSONResponse({"error": code, "error_description": description}, status_code=400)


# ---- narrower tokens


async def _caller(request: Request) -> HubUser:
    """Return the caller, whose token must hold this service's scope."""
    user: HubUser = await request.app.state.hub.user(
        bearer(request.headers.get("Authorization", ""))
    )
    if scopes.not_held([scopes.OWN["login"]], user.scopes, user.name):
        raise Refused(
            403,
            "scope_missing",
            "this token may not make or manage tokens: it lacks the scope 'login'",
            hint="use the token of `casita login`",
        )
    return user


Caller = Annotated[HubUser, Depends(_caller)]


def _add_tokens(app: FastAPI) -> None:
    longest = app.state.site.config.login.token_lifetime

    @app.post(f"{LOGIN_PREFIX}/tokens", status_code=201)
    async def create(user: Caller, body: TokenRequest) -> TokenModel:
        """Make a token that is no wider than the caller's."""
        if wrong := scopes.unknown(body.scopes, app.state.known):
            known = ", ".join(sorted(app.state.known))
            raise Refused(422, "unknown_scope", f"unknown scope {wrong[0]!r}", f"known: {known}")
        if body.expires_in > longest:
            raise Refused(
                422,
                "too_long",
                f"a token may live {format_duration(longest)} here, "
                f"not {format_duration(body.expires_in)}",
                "ask for less",
            )
        names = {app.state.known[name]: name for name in body.scopes}
        if missing := scopes.not_held(names, user.scopes, user.name):
            raise Refused(
                403,
                "scope_missing",
                f"your token does not hold the scope {names[missing[0]]!r}, so it can't pass it on",
                f"log in with it: `casita login URL --scope {names[missing[0]]}`",
            )
        made = await app.state.hub.make_token(user.name, list(names), body.expires_in, body.note)
        logger.info("token %s made for %s (%s)", made["id"], user.name, " ".join(body.scopes))
        return _model(made, app.state.known, token=made["token"])

    @app.get(f"{LOGIN_PREFIX}/tokens")
    async def listed(user: Caller) -> list[TokenModel]:
        """List the caller's tokens that were made here."""
        found = await app.state.hub.tokens(user.name)
        return [_model(one, app.state.known) for one in found]

    @app.delete(f"{LOGIN_PREFIX}/tokens/{{identifier}}", status_code=204)
    async def revoke(user: Caller, identifier: str) -> None:
        """Revoke one of the caller's tokens."""
        if not await app.state.hub.revoke(user.name, identifier):
            raise Refused(
                404,
                "no_such_token",
                f"you have no token {identifier[:20]!r}",
                "`casita token list`",
            )

    @app.post(f"{LOGIN_PREFIX}/operator", status_code=201, include_in_schema=False)
    async def operator(request: Request) -> TokenModel:
        """Give the owner of the state directory a short token as the administrator."""
        import secrets

        offered = bearer(request.headers.get("Authorization", ""))
        expected = app.state.site.secret("operator")
        if not secrets.compare_digest(offered.encode(), expected.encode()):
            raise Refused(401, "unauthorized", "this is not the operator's secret")
        admin = app.state.site.config.login.admin
        known = app.state.known
        made = await app.state.hub.make_token(
            admin, list(known.values()), OPERATOR_SECONDS, "operator on this machine"
        )
        return _model(made, known, token=made["token"])


def _model(made: dict[str, Any], known: dict[str, str], token: str | None = None) -> TokenModel:
    held = set(made["scopes"])
    names = [
        n for n, hub in known.items() if any(s == hub or s.startswith(f"{hub}=") for s in held)
    ]
    return TokenModel(
        id=made["id"],
        note=(made["note"] or "").removeprefix("casita: "),
        scopes=names,
        created=made["created"],
        expires_at=made["expires_at"],
        last_used=made["last_activity"],
        token=token,
    )


# ---- about


def _add_about(app: FastAPI) -> None:
    site: Site = app.state.site

    @app.get(f"{LOGIN_PREFIX}/info")
    def info() -> dict[str, Any]:
        """Tell a client how to reach the facility; needs no login."""
        return {
            "name": site.config.facility.name,
            "version": __version__,
            "gateway": site.gateway_url,
            "traffic": site.gateway_traffic,
            "scopes": sorted(app.state.known),
        }

    @app.get(f"{LOGIN_PREFIX}/health")
    def health() -> dict[str, Any]:
        """Alive, ready, version."""
        return {"alive": True, "ready": True, "version": __version__}


async def _explain(request: Request, error: Exception) -> Response:
    assert isinstance(error, CasitaError)
    status, code = 500, "failed"
    if isinstance(error, Refused):
        status, code = error.status, error.code
    elif isinstance(error, LoginError):
        status, code = 401, "unauthorized"
    elif isinstance(error, ServiceError):
        status, code = 503, "unavailable"
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    body = {"error": {"code": code, "message": error.message, "hint": error.hint}}
    return JSONResponse(body, status_code=status, headers=headers)


async def _log(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """One JSON line a request: the path without its query, which may hold a code."""
    began, identifier = time.monotonic(), uuid.uuid4().hex[:12]
    response = await call_next(request)
    line = {
        "request": identifier,
        "method": request.method,
        "path": request.url.path,
        "status": response.status_code,
        "ms": round(1000 * (time.monotonic() - began), 1),
    }
    logger.info(json.dumps(line))
    response.headers["X-Request-Id"] = identifier
    return response


def run(state: Path) -> None:
    """Serve on loopback until the program is ended."""
    import uvicorn

    from casita.site import open_site

    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    site = open_site(state)
    uvicorn.run(
        build(site),
        host="127.0.0.1",
        port=site.ports["login"],
        access_log=False,
        log_level="warning",
        # The proxy on this machine says who really called.
        proxy_headers=True,
        forwarded_allow_ips="127.0.0.1",
    )
