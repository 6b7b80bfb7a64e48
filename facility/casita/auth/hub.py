"""Who calls: verification of hub tokens, for our services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from casita.errors import LoginError, ServiceError


@dataclass(frozen=True)
class HubUser:
    """The verified owner of a token."""

    name: str
    scopes: frozenset[str]
    """Expanded scopes of the *token*, e.g. ``access:services!service=dask-gateway``."""
    groups: frozenset[str]
    token_id: str = ""
    """The hub's name for the token, e.g. ``a12``; it tells nothing about the token."""


def bearer(header: str) -> str:
    """Return the token of an ``Authorization`` header, or ""."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() in ("bearer", "token") else ""


def could_be_token(text: str) -> bool:
    """Whether a text can stand in a header as a token at all."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


async def user_of(http: httpx.AsyncClient, hub_api: str, token: str) -> HubUser:
    """Return the owner of a hub token.

    Raises
    ------
    LoginError
        No token, or one that the hub does not accept (unknown, revoked, expired).
    ServiceError
        The hub does not answer, or is in trouble.
    """
    model = await model_of(http, hub_api, token)
    if model.get("kind") != "user":
        raise LoginError("the token belongs to no user", hint="`casita login URL` gets one")
    return HubUser(
        name=str(model["name"]),
        scopes=frozenset(model.get("scopes", ())),
        groups=frozenset(model.get("groups") or ()),
        token_id=str(model.get("token_id") or ""),
    )


async def model_of(http: httpx.AsyncClient, hub_api: str, token: str) -> dict[str, Any]:
    """Return the hub's model of a token's owner, a user or a service.

    Raises
    ------
    LoginError, ServiceError
        As :func:`user_of`.
    """
    if not could_be_token(token):
        raise LoginError("no valid token was sent", hint="`casita login URL` gets one")
    try:
        answer = await http.get(f"{hub_api}/user", headers={"Authorization": f"token {token}"})
    except httpx.HTTPError as error:
        raise ServiceError("the hub does not answer", hint="try again in a moment") from error
    if answer.status_code in (401, 403, 404):
        raise LoginError(
            "the token is unknown, revoked or expired", hint="`casita login URL` gets a new one"
        )
    if answer.is_error:
        raise ServiceError(f"the hub answers {answer.status_code}", hint="try again in a moment")
    model: dict[str, Any] = answer.json()
    return model
