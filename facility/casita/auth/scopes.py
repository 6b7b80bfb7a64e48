"""What a storage token allows: operations on everything below a path.  Pure.

The WLCG Common JWT Profiles (version 1.0, section "Capability-based Authorization") write
``storage.read:/store/mc``; SciTokens 2.0 write ``read:/store/mc`` and ``write:/store/mc``.  Here
both are a list of :class:`Scope`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass

READ = "storage.read"
CREATE = "storage.create"
MODIFY = "storage.modify"
STAGE = "storage.stage"
OPERATIONS = (READ, CREATE, MODIFY, STAGE)
IMPLIED = {MODIFY: (MODIFY, CREATE)}
"""Who may replace and delete may also add."""
SCITOKENS = {"read": (READ,), "write": (CREATE, MODIFY)}
FORBIDDEN = frozenset(" %?#\\\"'")
"""What would mean something else to who reads the path next: a separator, an escape, a query."""


@dataclass(frozen=True, order=True)
class Scope:
    """One operation on a path and everything below it."""

    operation: str
    path: str
    """Normalised, see :func:`normalised`."""

    def __str__(self) -> str:
        return f"{self.operation}:{self.path}"

    def covers(self, other: Scope) -> bool:
        """Whether this allows all that ``other`` does.

        ``/cms`` covers ``/cms/mc``, and never its neighbour ``/cmsX``.
        """
        allowed = IMPLIED.get(self.operation, (self.operation,))
        return other.operation in allowed and is_below(other.path, self.path)


def is_below(path: str, folder: str) -> bool:
    """Whether a normalised path is ``folder`` or lies in it."""
    return folder == "/" or path == folder or path.startswith(f"{folder}/")


def normalised(path: str) -> str:
    """Return an absolute path without ``.``, ``..``, double and trailing slashes.

    Raises
    ------
    ValueError
        It is not absolute, or holds a character that servers might read differently.
    """
    if not path.startswith("/"):
        raise ValueError(f"{path[:80]!r} is no absolute path: it starts with '/'")
    if not path.isprintable() or FORBIDDEN & set(path):
        raise ValueError(f"{path[:80]!r}: a path of a scope has no spaces, quotes, %, ?, # or \\")
    return "/" + posixpath.normpath(path).strip("/")


def parse(text: str) -> Scope:
    """Return the scope written ``storage.read:/store/mc``.

    Raises
    ------
    ValueError
        The operation is unknown, or the path is missing or can't be one.
    """
    operation, _, path = text.partition(":")
    if operation not in OPERATIONS:
        raise ValueError(f"{text[:80]!r} is no scope of storage: one of {', '.join(OPERATIONS)}")
    return Scope(operation, normalised(path))


def of_claims(scope: str, scitokens: bool = False) -> tuple[Scope, ...]:
    """Return what a token's ``scope`` claim allows; scopes that aren't about storage are left out.

    Parameters
    ----------
    scope
        Separated by spaces.
    scitokens
        Whether the token follows the SciTokens profile.
    """
    found: list[Scope] = []
    for word in scope.split():
        operation, _, path = word.partition(":")
        meant = SCITOKENS.get(operation, ()) if scitokens else ()
        if operation in OPERATIONS:
            meant = (operation,)
        try:
            found += [Scope(one, normalised(path)) for one in meant]
        except ValueError:
            continue  # allows nothing
    return tuple(found)


def without_redundant(scopes: Iterable[Scope]) -> list[Scope]:
    """Return the scopes that no other one covers, in order."""
    ordered = sorted(set(scopes))
    return [one for one in ordered if not any(two != one and two.covers(one) for two in ordered)]
