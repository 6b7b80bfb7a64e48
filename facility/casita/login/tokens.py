"""Tokens of one's own: who am I, make narrower ones, list, revoke.

What a token makes is bounded by what it is: no further scope, and no longer life.
"""

from __future__ import annotations

import logging
import secrets
import time
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from prometheus_client import Counter
from pydantic import AfterValidator, BaseModel, Field

from casita.auth import HubUser, bearer
from casita.login import NOTE, scopes
from casita.login.hub import Hub
from casita.serving import Refused
from casita.site import LOGIN_PREFIX, Site
from casita.units import Duration, format_duration, round_duration

logger = logging.getLogger("casita.login")
OPERATOR_SECONDS = 3600
UNBOUNDED = "tokens!user"
"""Who holds this scope can make any token at the hub itself, so there is nothing to bound here."""


def printable(text: str) -> str:
    """Return text without what would turn a terminal or a page upside down."""
    return "".join(one for one in text if one.isprintable())


class TokenRequest(BaseModel):
    """What ``POST tokens`` takes."""

    scopes: list[Annotated[str, Field(max_length=80)]] = Field(
        min_length=1, max_length=50, description="Short names, e.g. `gateway`."
    )
    expires_in: Duration = Field(description='Seconds, or "10m".')
    note: Annotated[str, AfterValidator(printable)] = Field(default="", max_length=200)


class TokenModel(BaseModel):
    """A token as its owner may see it; ``token`` only in the answer that makes it."""

    id: str
    note: str
    scopes: list[str]
    created: str
    expires_at: str | None
    last_used: str | None
    token: str | None = None


class Identity(BaseModel):
    """Whose token was sent, and what it may do."""

    user: str
    token: str
    """The token's id."""
    scopes: list[str]
    """Short names."""
    hub_scopes: list[str]
    expires: float | None
    """Unix time; None for the token of a running server, which ends with it."""


async def _user(request: Request) -> HubUser:
    user: HubUser = await request.app.state.hub.user(
        bearer(request.headers.get("Authorization", ""))
    )
    return user


User = Annotated[HubUser, Depends(_user)]


def _manager(user: User) -> HubUser:
    if scopes.not_held([scopes.OWN["login"]], user.scopes, user.name):
        raise Refused(
            403,
            "scope_missing",
            "this token may not make or manage tokens: it lacks the scope 'login'",
            hint="use the token of `casita login`",
        )
    return user


Manager = Annotated[HubUser, Depends(_manager)]


def add(app: FastAPI, made: Counter) -> None:
    """Add ``whoami``, ``tokens`` and ``operator`` to the application."""
    _add_identity(app)
    _add_tokens(app, made)
    _add_operator(app, made)


def _add_identity(app: FastAPI) -> None:
    hub: Hub = app.state.hub

    @app.get(f"{LOGIN_PREFIX}/whoami")
    async def whoami(user: User) -> Identity:
        """Tell the owner of any token who they are, what it may do and when it ends."""
        return Identity(
            user=user.name,
            token=user.token_id,
            scopes=_names(user.scopes, app.state.known),
            hub_scopes=sorted(user.scopes),
            expires=_unix((await hub.token(user.name, user.token_id))["expires_at"]),
        )

    @app.delete(f"{LOGIN_PREFIX}/whoami", status_code=204)
    async def log_out(user: User) -> None:
        """End the very token that asks."""
        await hub.revoke(user.name, user.token_id)
        logger.info("logout", extra={"fields": {"token": user.token_id, "user": user.name}})


def _add_tokens(app: FastAPI, made: Counter) -> None:
    hub: Hub = app.state.hub

    @app.post(f"{LOGIN_PREFIX}/tokens", status_code=201)
    async def create(user: Manager, body: TokenRequest) -> TokenModel:
        """Make a token that may do no more than the caller's and lives no longer."""
        known = app.state.known
        wanted = _wanted(body, user, known)
        await _check_life(app, user, body.expires_in)
        token = await hub.make_token(user.name, wanted, body.expires_in, body.note)
        made.labels("token").inc()
        logger.info("token made", extra={"fields": {"token": token["id"], "user": user.name}})
        return _model(token, known, token=token["token"])

    @app.get(f"{LOGIN_PREFIX}/tokens")
    async def listed(user: Manager) -> list[TokenModel]:
        """List the caller's tokens that were made here."""
        return [_model(one, app.state.known) for one in await hub.tokens(user.name)]

    @app.delete(f"{LOGIN_PREFIX}/tokens/{{identifier}}", status_code=204)
    async def revoke(user: Manager, identifier: str) -> None:
        """Revoke one of the caller's tokens that were made here."""
        if identifier not in {one["id"] for one in await hub.tokens(user.name)}:
            raise Refused(
                404,
                "no_such_token",
                f"you have no token {identifier[:20]!r}",
                "`casita token list`",
            )
        await hub.revoke(user.name, identifier)
        logger.info("token revoked", extra={"fields": {"token": identifier, "user": user.name}})


def _wanted(body: TokenRequest, user: HubUser, known: dict[str, str]) -> list[str]:
    """Return the hub scopes asked for, if the caller's token may pass them on."""
    if wrong := scopes.unknown(body.scopes, known):
        there = ", ".join(sorted(known))
        raise Refused(422, "unknown_scope", f"unknown scope {wrong[0]!r}", f"there are: {there}")
    names = {known[name]: name for name in body.scopes}
    if missing := scopes.not_held(names, user.scopes, user.name):
        name = names[missing[0]]
        raise Refused(
            403,
            "scope_missing",
            f"your token does not hold the scope {name!r}, so it can't pass it on",
            f"log in with it: `casita login URL --scope {name}`",
        )
    return list(names)


async def _check_life(app: FastAPI, user: HubUser, seconds: int) -> None:
    """Refuse a token that would live too long for here, or longer than the one that asks."""
    site: Site = app.state.site
    longest = site.config.login.token_lifetime
    if seconds > longest:
        raise Refused(
            422,
            "too_long",
            f"a token may live {format_duration(longest)} here, not {format_duration(seconds)}",
            "ask for less",
        )
    if not scopes.not_held([UNBOUNDED], user.scopes, user.name):
        return
    ends = _unix((await app.state.hub.token(user.name, user.token_id))["expires_at"])
    if ends is not None and time.time() + seconds > ends + 1:
        left = round_duration(ends - time.time())
        raise Refused(
            403,
            "too_long",
            f"your own token ends in {left}, so it can't make one that lives "
            f"{format_duration(seconds)}",
            "ask for less, or log in again",
        )


def _add_operator(app: FastAPI, made: Counter) -> None:
    site: Site = app.state.site

    @app.post(f"{LOGIN_PREFIX}/operator", status_code=201, include_in_schema=False)
    async def operator(request: Request) -> TokenModel:
        """Give the owner of the state directory a short token as the administrator."""
        offered = bearer(request.headers.get("Authorization", ""))
        if not secrets.compare_digest(offered.encode(), site.secret("operator").encode()):
            raise Refused(401, "unauthorized", "this is not the operator's secret")
        known = app.state.known
        token = await app.state.hub.make_token(
            site.config.login.admin,
            [*known.values(), UNBOUNDED],
            OPERATOR_SECONDS,
            "operator on this machine",
        )
        made.labels("operator").inc()
        return _model(token, known, token=token["token"])


def _model(made: dict[str, Any], known: dict[str, str], token: str | None = None) -> TokenModel:
    return TokenModel(
        id=made["id"],
        note=(made["note"] or "").removeprefix(NOTE),
        scopes=_names(made["scopes"], known),
        created=made["created"],
        expires_at=made["expires_at"],
        last_used=made["last_activity"],
        token=token,
    )


def _names(held: Any, known: dict[str, str]) -> list[str]:
    """Return the short names of the hub scopes that a token holds."""
    have = set(held)
    return [
        name
        for name, scope in known.items()
        if any(one == scope or one.startswith(f"{scope}=") for one in have)
    ]


def _unix(moment: str | None) -> float | None:
    return datetime.fromisoformat(moment).timestamp() if moment else None
