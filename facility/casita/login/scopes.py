"""Short names of scopes, what they mean at the hub, and what a token may pass on.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from casita.backend import Backend

OWN = {
    "gateway": "access:services!service=dask-gateway",
    "servers": "access:servers!user",
    "login": "access:services!service=login",
}
MEANING = {
    "gateway": "start and use your Dask clusters",
    "servers": "open your Jupyter server: files, notebooks, terminals",
    "login": "make and revoke tokens no wider than itself",
}
DEFAULT = ("gateway", "login")
"""What a terminal asks for; the backends' scopes come on top, ``servers`` only when named."""


def known_scopes(backends: Iterable[Backend]) -> dict[str, str]:
    """Return hub scopes by short name: ours and the backends'."""
    return {**OWN, **{name: hub for one in backends for name, hub in one.scopes.items()}}


def default(known: Iterable[str]) -> list[str]:
    """Return what a terminal asks for that names nothing."""
    return [*DEFAULT, *(name for name in known if name not in OWN)]


def meaning(name: str) -> str:
    """Return in words what a scope allows."""
    return MEANING.get(name, f"use the service {name!r}")


def unknown(names: Iterable[str], known: Mapping[str, str]) -> list[str]:
    """Return the names that stand for nothing."""
    return [name for name in names if name not in known]


def not_held(wanted: Iterable[str], held: Iterable[str], user: str) -> list[str]:
    """Return the hub scopes in ``wanted`` that a token with the scopes ``held`` lacks.

    Parameters
    ----------
    held
        Expanded scopes as the hub reports them, e.g. ``access:servers!user=alice``.
    user
        Owner of the token; ``!user`` stands for ``!user=<owner>``.
    """
    have = set(held)

    def covered(scope: str) -> bool:
        full = f"{scope}={user}" if scope.endswith("!user") else scope
        return bool({scope, full, full.partition("!")[0]} & have)

    return [scope for scope in wanted if not covered(scope)]
