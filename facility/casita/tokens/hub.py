"""For whom a token is asked: a user with a hub token, or a service for one of its users."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import quote

import httpx

from casita.auth.hub import HubUser, model_of
from casita.errors import DeniedError, ServiceError

OWN = "service:"
"""Begins the subjects of services' own tokens, and no user's."""


def is_itself(user: str, service: str) -> bool:
    """Whether the service that asks does so for itself, and for no user."""
    return bool(service) and user == OWN + service


async def subject_of(
    http: httpx.AsyncClient,
    hub_api: str,
    token: str,
    named: str,
    audience: str,
    trusted: Collection[str],
) -> tuple[HubUser, str]:
    """Return (user, service that asks, or "").

    A backend's own hub service gets tokens for itself: the subject is ``service:NAME`` then, which
    is no user's name.

    Parameters
    ----------
    named
        The user meant; only trusted services name one.
    audience
        The backend that the token is for.
    trusted
        Services that ask for tokens of users.

    Raises
    ------
    LoginError
        401: the hub does not know the token.
    DeniedError
        403: it belongs to a service that may not do this, a user names another, or who is meant is
        called as a service is.
    ServiceError
        503: the hub does not answer.
    """
    model = await model_of(http, hub_api, token)
    name = str(model.get("name", ""))
    user = named or ("" if model.get("kind") == "service" else name)
    if user.startswith(OWN):
        raise DeniedError(f"{user[:40]!r} is no user: a service's own token names nobody")
    if model.get("kind") == "service":
        if name == audience and not named:
            return HubUser(OWN + name, frozenset(), frozenset()), name
        if name not in trusted or not named:
            raise DeniedError(f"the service {name} gets no tokens of users")
        return HubUser(named, frozenset(), frozenset()), name
    if named and named != name:
        raise DeniedError(f"your token is {name}'s, not {named[:40]!r}'s")
    scopes = frozenset(model.get("scopes", ()))
    return HubUser(name, scopes, frozenset(), str(model.get("token_id") or "")), ""


async def groups_of(
    http: httpx.AsyncClient, hub_api: str, own_token: str, user: str
) -> frozenset[str]:
    """Return the groups of a user, who must exist.

    Raises
    ------
    DeniedError
        403: the hub knows no such user (any more).
    ServiceError
        503: the hub does not answer.
    """
    unknown = DeniedError(f"the hub knows no user {user[:40]!r}")
    if user in (".", ".."):  # another address
        raise unknown
    url = f"{hub_api}/users/{quote(user, safe='')}"
    try:
        answer = await http.get(url, headers={"Authorization": f"token {own_token}"})
    except httpx.HTTPError as error:
        raise ServiceError("the hub does not answer", hint="try again in a moment") from error
    if answer.status_code == 404:
        raise unknown
    if answer.is_error:
        raise ServiceError(f"the hub answers {answer.status_code}", hint="try again in a moment")
    model = answer.json()
    if model.get("name") != user:
        raise unknown
    return frozenset(model.get("groups") or ())
