"""System accounts, under which the multiuser profile runs what its users start."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass

from casita.errors import LoginError

FIRST_PERSON = 1000
"""Accounts below this uid are the system's own (``UID_MIN`` of login.defs)."""


@dataclass(frozen=True)
class Account:
    """A system account that is not root's."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    """All groups, the first one included."""
    home: str


def account(name: str) -> Account:
    """Return the account under which a user's processes run.

    Raises
    ------
    LoginError
        There is none, or it is root's under any name: nothing of a user's ever runs as root, not
        even when a hub administrator asks for it.
    """
    try:
        found = pwd.getpwnam(name)
    except (KeyError, ValueError):
        raise LoginError(
            f"there is no account {name!r} on this machine",
            hint=f"root makes it with `adduser {name}`, or sets login.create_users = true",
        ) from None
    if found.pw_uid == 0:
        raise LoginError(
            f"{name!r} is root's account, and root can't use this facility",
            hint="log in with an ordinary account",
        )
    groups = tuple(os.getgrouplist(found.pw_name, found.pw_gid))
    return Account(found.pw_name, found.pw_uid, found.pw_gid, groups, found.pw_dir)
