"""Finders of datasets: they turn a name into files.

A finder is a plug-in: a class registered under the entry-point group ``casita.columns.finders``,
whose name is the scheme of the names that it understands (``rucio://scope:name``) and which takes
its table of settings, ``[backends.columns.finders.NAME]``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

from casita_columns.finders.base import (
    BadName,
    Context,
    Did,
    Entry,
    Finder,
    Found,
    LookupFailed,
    NotThere,
    parse,
)
from casita_columns.finders.catalogue import Catalogue
from casita_columns.finders.cernopendata import CernOpenData
from casita_columns.finders.files import FileList
from casita_columns.finders.glob import Glob
from casita_columns.finders.listing import local_listing, xrootd_listing
from casita_columns.finders.rucio import Rucio

__all__ = [
    "BadName",
    "Context",
    "Did",
    "Entry",
    "Finder",
    "Found",
    "LookupFailed",
    "NotThere",
    "local_listing",
    "parse",
    "registry",
    "xrootd_listing",
]
logger = logging.getLogger("casita.columns")
GROUP = "casita.columns.finders"


def registry(
    settings: Mapping[str, Mapping[str, Any]], datasets: Mapping[str, Any]
) -> dict[str, Finder]:
    """Return every finder by scheme.

    Parameters
    ----------
    settings
        Table of each finder's settings.
    datasets
        The facility's own, for the catalogue.

    Raises
    ------
    CasitaError
        A built-in finder's settings are wrong.
    """
    made: dict[str, Finder] = {"user": FileList(), "xrootd": Glob()}
    made["catalogue"] = Catalogue(datasets)
    made["cernopendata"] = CernOpenData(settings.get("cernopendata", {}))
    if "rucio" in settings:
        made["rucio"] = Rucio(settings["rucio"])
    for entry in entry_points(group=GROUP):
        try:
            plugin: Callable[[Mapping[str, Any]], Finder] = entry.load()
            made[entry.name] = plugin(settings.get(entry.name, {}))
        except Exception:
            logger.exception("the finder %s can't be used", entry.name)
    return made
