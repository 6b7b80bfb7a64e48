"""``servicex.yaml``, in which the official client finds a facility.

Written for every user when their Jupyter server starts, and by ``casita login`` on other machines.
A file that somebody wrote is left alone: ours begins with a line that says so.
"""

from __future__ import annotations

import json
from pathlib import Path

from casita.client import Connection
from casita.errors import CasitaError
from casita.files import write_atomic

MARK = "# Written by casita, which replaces it; remove this line to keep it as it is."
NAMES = (".servicex", "servicex.yaml")
"""Where the client looks, in this order (``servicex/configuration.py``)."""
PREFIX = "/services/columns"


def text(url: str, name: str, token: str, cache: Path) -> str:
    """Return the file's content.

    Parameters
    ----------
    url
        The facility's.
    token
        A hub token, which the client trades for short ones.
    cache
        Folder for what the client downloads.
    """
    endpoint = {"endpoint": f"{url}{PREFIX}", "name": name, "token": token}
    # JSON is YAML, and needs no care with quotes.
    return (
        f"{MARK}\n"
        f"api_endpoints:\n  - {json.dumps(endpoint)}\n"
        f"default_endpoint: {json.dumps(name)}\n"
        f"cache_path: {json.dumps(str(cache))}\n"
        "shortened_downloaded_filename: true\n"
    )


def write(home: Path, url: str, token: str, name: str = "casita") -> str:
    """Write ``~/servicex.yaml``; returns why not, or "".

    Raises
    ------
    StateError
        It can't be written.
    """
    for one in NAMES:
        path = home / one
        if path.exists() and not _is_ours(path):
            return f"{path} is your own and stays: the ServiceX client uses what is in it"
    write_atomic(home / "servicex.yaml", text(url, name, token, home / ".cache" / "servicex"))
    return ""


def _is_ours(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            return stream.readline().strip() == MARK
    except OSError:
        return False


def of_login(connection: Connection, home: Path) -> str:
    """Write it for a terminal that has just logged in; returns a line to print."""
    try:
        kept = write(home, connection.url, connection.token)
    except CasitaError as error:
        return f"no servicex.yaml: {error.message}"
    return kept or f"{home / 'servicex.yaml'}: `from servicex import deliver` works here now"
