"""Finders of datasets: they turn a name into files.

A finder is a plug-in: a class registered under the entry-point group ``casita.columns.finders``,
whose name is the scheme of the names that it understands (``rucio://scope:name``).  It is made with
its table of settings, ``[backends.columns.finders.NAME]``, and is a :class:`Finder`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import ValidationError

from casita_columns.finders.base import (
    BadName,
    Context,
    Entry,
    Finder,
    Found,
    LookupFailed,
    NotThere,
)
from casita_columns.finders.catalogue import Catalogue
from casita_columns.finders.cernopendata import CernOpenData
from casita_columns.finders.files import FileList
from casita_columns.finders.glob import Glob
from casita_columns.finders.listing import local_listing, xrootd_listing
from casita_columns.finders.names import Did, parse
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
    "Registry",
    "local_listing",
    "parse",
    "registry",
    "xrootd_listing",
]
logger = logging.getLogger("casita.columns")
GROUP = "casita.columns.finders"
Table = Mapping[str, Any]
Maker = Callable[[Table], Finder]


class Registry(dict[str, Finder]):
    """Finders by scheme, and what is wrong with those that are not there."""

    def __init__(self) -> None:
        super().__init__()
        self.troubles: dict[str, str] = {}

    def add(self, scheme: str, make: Maker, table: Table) -> None:
        """Make a finder; one that can't be made is a trouble, the others stay."""
        try:
            if scheme in self:
                raise ValueError("there is another finder of that name")
            made = make(table)
            if made.scheme != scheme or not made.title or not callable(made.find):
                raise ValueError(f"it is registered as {scheme!r} and calls itself {made.scheme!r}")
            self[scheme] = made
        except ValidationError as error:
            wrong = error.errors()[0]
            key = ".".join(map(str, wrong["loc"])) or "it"
            self.note(scheme, f"backends.columns.finders.{scheme}: {key}: {wrong['msg']}")
        except Exception as error:  # it may be anybody's code
            self.note(scheme, f"{scheme}: {error or type(error).__name__}")

    def note(self, scheme: str, trouble: str) -> None:
        """Keep why a finder is not there."""
        self.troubles[scheme] = trouble
        logger.warning("finder of datasets: %s", trouble)


def registry(settings: Mapping[str, Table], datasets: Table) -> Registry:
    """Return every finder by scheme.  Rucio's is there if it has settings: a server, at least.

    Parameters
    ----------
    settings
        Table of each finder's settings.
    datasets
        The facility's own, for the catalogue.
    """
    made = Registry()
    makers: dict[str, Maker] = {
        "user": FileList,
        "xrootd": Glob,
        "catalogue": lambda table: Catalogue(table, datasets),
        "cernopendata": CernOpenData,
    }
    if "rucio" in settings:
        makers["rucio"] = Rucio
    for scheme, make in makers.items():
        made.add(scheme, make, settings.get(scheme, {}))
    for entry in entry_points(group=GROUP):
        made.add(entry.name, partial(_plugin, entry), settings.get(entry.name, {}))
    for scheme in settings.keys() - made.keys() - made.troubles.keys():
        made.note(scheme, f"backends.columns.finders.{scheme}: there is no such finder")
    return made


def _plugin(entry: EntryPoint, table: Table) -> Finder:
    made: Finder = entry.load()(table)
    return made
