"""A Jupyter server keeps a storage token of its user for all of its kernels and terminals."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from casita.bearer import Keeper
from casita.client import connection
from casita.storage import storage_token


def keeper_of(environment: Mapping[str, str]) -> Keeper | None:
    """Return who keeps the token, or None where there is none to keep.

    ``CASITA_TOKEN_FOR`` names the services that it is for, ``CASITA_TOKEN_FILE`` our file: if
    ``BEARER_TOKEN_FILE`` names another, or ``BEARER_TOKEN`` is set, users have their own.
    """
    audience, path = environment.get("CASITA_TOKEN_FOR"), environment.get("CASITA_TOKEN_FILE")
    own = environment.get("BEARER_TOKEN") or environment.get("BEARER_TOKEN_FILE", path) != path
    if not audience or not path or own:
        return None
    return Keeper(Path(path), lambda: _fetch(audience))


def _fetch(audience: str) -> str:
    # The server's own hub token, whatever a login in its user's home may say.
    found = connection()
    with found.http() as http:
        return storage_token(http, audience).token


def start() -> Keeper | None:
    """Keep the token of this server's user."""
    keeper = keeper_of(os.environ)
    if keeper:
        keeper.start()
    return keeper
