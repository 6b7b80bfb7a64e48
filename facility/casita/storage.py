"""Storage tokens for clients: one request to the issuer."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx

from casita.client import checked
from casita.site import TOKENS_PREFIX


@dataclass(frozen=True)
class StorageToken:
    """A token for one data service."""

    token: str = field(repr=False)
    scope: str
    """What it allows, e.g. ``storage.read:/store``, separated by spaces."""
    expires: float
    """Unix time."""


def storage_token(http: httpx.Client, audience: str, scopes: Iterable[object] = ()) -> StorageToken:
    """Trade the session's hub token for a storage token (RFC 8693).

    Parameters
    ----------
    audience
        Name of the backend, e.g. ``cache``.
    scopes
        E.g. ``storage.read:/store``; empty: all that the user may do.

    Raises
    ------
    LoginError
        The hub token is not good, or not good for this.
    ServiceError
        A scope or the audience is refused, or nobody answers.
    """
    return _made(http.post(f"{TOKENS_PREFIX}/token", data=_form(audience, scopes)))


async def async_storage_token(
    http: httpx.AsyncClient, audience: str, scopes: Iterable[object] = ()
) -> StorageToken:
    """Return the same as :func:`storage_token` for programs with an event loop."""
    return _made(await http.post(f"{TOKENS_PREFIX}/token", data=_form(audience, scopes)))


def _form(audience: str, scopes: Iterable[object]) -> dict[str, str]:
    return {"audience": audience, "scope": " ".join(map(str, scopes))}


def _made(answer: httpx.Response) -> StorageToken:
    made = checked(answer)
    return StorageToken(made["access_token"], made["scope"], time.time() + made["expires_in"])
