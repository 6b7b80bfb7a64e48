"""One-time login links: ``<url>/hub/once#CODE``.

The code stands in the URL's fragment, which a browser never sends: it reaches no log, no proxy
and no ``Referer``.  The page behind the link posts it.  What is kept on disk is the code's
SHA-256 and its expiry; a stolen file opens nothing.  Writing the file is all it takes to make a
link, so the command line does it while the hub runs.
"""

from __future__ import annotations

import fcntl
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode

from casita.errors import StateError
from casita.files import read_json, write_json
from casita.site import Site

LIFETIME = 15 * 60
"""Seconds for which a link is good."""


def codes_file(site: Site) -> Path:
    """Return where the hashes of open codes are kept."""
    return site.state / "hub" / "once.json"


def new_login_link(site: Site, following: str = "") -> str:
    """Return a link that logs its first visitor in as the administrator.

    Parameters
    ----------
    following
        Path to go on to; "" is the server.

    Raises
    ------
    StateError
        The facility has several users, who log in with their own accounts; or the disk is full.
    """
    if site.config.multiuser:
        raise StateError(
            "login links exist in the embedded profile only",
            hint="in the multiuser profile everybody logs in with their account on this machine",
        )
    query = f"?{urlencode({'next': following})}" if following else ""
    return f"{site.url}/hub/once{query}#{new_code(codes_file(site))}"


def new_code(file: Path, lifetime: float = LIFETIME) -> str:
    """Store a new code in ``file`` and return it; codes past their expiry are dropped.

    Parameters
    ----------
    lifetime
        Seconds for which the code is good.
    """
    code = secrets.token_urlsafe(24)
    with _open_codes(file) as codes:
        codes[_digest(code)] = time.time() + lifetime
    return code


def consume(file: Path, code: str) -> bool:
    """Return whether ``code`` is good, and make it good for nothing from now on."""
    with _open_codes(file) as codes:
        return codes.pop(_digest(code), None) is not None


@contextmanager
def _open_codes(file: Path) -> Iterator[dict[str, float]]:
    """Give the unexpired codes, alone among all processes, and write them back."""
    with file.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        now = time.time()
        stored = read_json(file, {})
        codes = {digest: expiry for digest, expiry in stored.items() if expiry > now}
        yield codes
        if codes != stored:
            write_json(file, codes)


def _digest(code: str) -> str:
    return sha256(code.encode()).hexdigest()
