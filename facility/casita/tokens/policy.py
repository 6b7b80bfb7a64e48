"""What a user's storage tokens may allow.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from casita.auth.scopes import MODIFY, READ, STAGE, Scope, parse, without_redundant
from casita.config import FacilityConfig
from casita.errors import CasitaError, DeniedError

PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*")
SCOPES_MAX = 200
"""A token with so many is nearly as large as services take."""


class ScopeError(CasitaError, ValueError):
    """A scope that was asked for can't be one."""


def allowed(config: FacilityConfig, user: str, groups: Iterable[str] = ()) -> list[Scope]:
    """Return all that a user may do.

    Parameters
    ----------
    groups
        The user's groups at the hub; ``members`` in ``casita.toml`` come on top.
    """
    tokens, write = config.tokens, list[str]()
    if not config.multiuser and user == config.login.admin:
        write.append("/")
    if PLAIN_NAME.fullmatch(user):
        write.append(f"/user/{user}")
    read, stage, mine = list(tokens.read), list[str](), set(groups)
    for name, group in tokens.groups.items():
        if name in mine or user in group.members:
            read += group.read
            write += group.write
            stage += group.stage
    rights = {READ: read + write, MODIFY: write, STAGE: stage + write}
    return without_redundant(Scope(one, path) for one, paths in rights.items() for path in paths)


def granted(wanted: str, may: Iterable[Scope]) -> list[Scope]:
    """Return the scopes of a new token.

    Parameters
    ----------
    wanted
        Scopes separated by spaces; empty: all that the user may do.
    may
        What :func:`allowed` returned.

    Raises
    ------
    ScopeError
        One of ``wanted`` can't be a scope.
    DeniedError
        One of ``wanted`` is not held: nothing is dropped silently.
    """
    may = list(may)
    words = wanted.split()
    if len(words) > SCOPES_MAX:
        raise ScopeError(f"scope: {len(words)} scopes, {SCOPES_MAX} are the most")
    try:
        asked = [parse(word) for word in words]
    except ValueError as error:
        raise ScopeError(f"scope: {error}") from None
    for one in asked:
        if not any(two.covers(one) for two in may):
            there = " ".join(map(str, may)) or "nothing"
            raise DeniedError(f"you don't hold {one}", hint=f"you hold {there}")
    return without_redundant(asked) or may
