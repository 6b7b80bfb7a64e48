"""In a notebook, and on Dask workers: reading through the cache, and what it did."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

from casita_cache.doors import Doors
from casita_cache.routing import VARIABLE, parse

SWITCH = "CASITA_CACHE_OFF"
"""Environment variable: any value but 0 keeps kernels and workers from using the cache."""
_doors: Doors | None = None
_reporter: Any = None


def install() -> bool:
    """Read through the caches of the facility from now on; returns whether there are any.

    Called when a kernel or a Dask worker starts. Costs nothing where no cache is configured.
    """
    global _doors
    text = os.environ.get(VARIABLE, "")
    if not text or os.environ.get(SWITCH, "0") != "0":
        return False
    if _doors is None:
        routes = parse(text)
        if not routes.all:
            return False
        try:
            _stand_in(doors := Doors(routes))
        except ImportError:
            return False  # an environment without XRootD reads nothing by it
        _doors = doors
    _doors.on = True
    return True


def _stand_in(doors: Doors) -> None:
    from XRootD.client import file, filesystem

    from casita_cache import transparent, urls

    transparent.File.doors = transparent.FileSystem.doors = doors
    # The names under which these modules know pyxrootd's own.
    file.client = SimpleNamespace(**{**vars(file.client), "File": transparent.File})
    filesystem.client = SimpleNamespace(
        **{**vars(filesystem.client), "FileSystem": transparent.FileSystem}
    )
    urls.follow(doors)


def on() -> bool:
    """Read through the cache (again); returns whether there is one."""
    os.environ.pop(SWITCH, None)
    return install()


def off() -> None:
    """Read from the origins themselves from now on; files that are open stay as they are."""
    os.environ[SWITCH] = "1"
    if _doors is not None:
        _doors.on = False


def report() -> Any:
    """Return where the bytes came from that were read since the report before.

    Reads of the Dask cluster that this program is connected to are in it, too. In a notebook it
    shows itself as a table; ``hit_ratio``, ``read``, ``hit``, ``from_origin`` (bytes) and ``lines``
    (a line a file) are for programs.
    """
    from casita_cache.reporting import Reporter

    global _reporter
    _reporter = _reporter or Reporter()
    return _reporter.report()


def card() -> None:
    """Show, in a notebook, what the cache does at the moment; it follows until it is closed."""
    from IPython.display import display

    from casita_cache.live import Card

    shown = Card()
    display(shown.box)
    shown.follow()


def fileset(*names: str) -> dict[str, Any]:
    """Return datasets of the facility's catalogue in coffea's form.

    Raises
    ------
    CasitaError
        There is no such dataset, or no facility.
    """
    # Not before they are needed: every worker imports this module when it starts.
    from casita.client import connection
    from casita_cache.client import Cache

    with connection().http() as http:
        cache = Cache(http)
        return {key: one for name in names for key, one in cache.fileset(name).items()}


def files(name: str) -> list[str]:
    """Return the URLs of a dataset's files."""
    return list(fileset(name)[name]["files"])


def doors() -> Doors | None:
    """Return the caches in use, or None."""
    return _doors


def load_ipython_extension(shell: Any) -> None:
    """Install it (called by IPython for ``%load_ext casita_cache.kernel``)."""
    install()
