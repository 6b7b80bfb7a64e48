"""Issuers' keys for XRootD's token library, which else trusts the machine's authorities only.

libSciTokens keeps fetched keys in an SQLite file below ``$XDG_CACHE_HOME`` and looks there before
it asks an issuer (src/scitokens_cache.cpp of scitokens-cpp).  Putting them there makes the facility
independent of its own certificate and of its own start order, and works without a route.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import httpx

from casita_cache.servers import Trusted

FILE = Path("scitokens", "scitokens_cpp.sqllite")  # spelt so
LIFE = 10 * 365 * 86400
"""Seconds; whoever rotates keys puts the new ones here."""


def prefill(home: Path, issuers: Iterable[Trusted], seconds: float = 10.0) -> bool:
    """Fetch the keys of the facility's issuers and put them where XRootD looks.

    Parameters
    ----------
    home
        The server's ``XDG_CACHE_HOME``.
    seconds
        How long to wait for an issuer that does not answer yet.

    Returns
    -------
    bool
        Whether all were fetched; those that were not stay as they are.
    """
    deadline, missing = time.monotonic() + seconds, [one for one in issuers if one.keys]
    with httpx.Client(timeout=5, trust_env=False) as http:
        while missing:
            missing = [one for one in missing if not _fetched(http, home, one)]
            if time.monotonic() > deadline:
                break
            if missing:
                time.sleep(0.2)
    return not missing


def _fetched(http: httpx.Client, home: Path, issuer: Trusted) -> bool:
    try:
        answer = http.get(issuer.keys)
        answer.raise_for_status()
        store(home, issuer.url, answer.json())
    except (httpx.HTTPError, ValueError, OSError, sqlite3.Error):
        return False
    return True


def store(home: Path, issuer: str, keys: Mapping[str, Any]) -> None:
    """Put an issuer's keys (a JWKS) into the file."""
    path = home / FILE
    # Everybody may know them, and the servers' account has to.
    for folder in (home, path.parent):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
    ends = int(time.time()) + LIFE
    row = json.dumps({"jwks": keys, "next_update": ends, "expires": ends})
    with sqlite3.connect(path, timeout=10) as database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS keycache "
            "(issuer text UNIQUE PRIMARY KEY NOT NULL, keys text NOT NULL)"
        )
        database.execute("INSERT OR REPLACE INTO keycache VALUES (?, ?)", (issuer, row))
    path.chmod(0o644)
