"""What a finder is, what it gets, and what names look like."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl

import httpx

from casita.errors import CasitaError

SCHEME = re.compile(r"([a-z][a-z0-9-]{1,30})://(.*)", re.DOTALL)
SERVERS = ("root", "roots", "xroot", "xroots", "http", "https", "dav", "davs", "file")
FILES_MAX = 2**31


class BadName(CasitaError):
    """What was given can't be the name of a dataset."""


class NotThere(CasitaError):
    """There is no such dataset, or it has no files."""


class LookupFailed(CasitaError):
    """It is not known what the name stands for: somebody did not answer."""


class Entry(NamedTuple):
    """One line of a folder's listing."""

    name: str
    size: int | None
    """Bytes, if known."""
    is_folder: bool


@dataclass(frozen=True)
class Found:
    """A file of a dataset."""

    paths: tuple[str, ...]
    """Its replicas, the best first: URLs, or local paths."""
    size: int = 0
    """Bytes, if known."""
    events: int = 0
    """If known."""
    adler32: str | None = None


@dataclass(frozen=True)
class Context:
    """What a lookup may use."""

    user: str
    """For whom it is."""
    list_directory: Callable[[str], list[tuple[str, int | None, bool]]]
    """Lists a folder, by URL or path, with the rights of the user; raises CasitaError."""
    http: httpx.Client
    directory: Path
    """For what finders keep."""
    fetch_fileset: Callable[[str], dict[str, Any] | None] = field(default=lambda name: None)
    """Returns a dataset of the facility's cache in coffea's form, if it has it."""


class Finder(Protocol):
    """Finds the files of a name, always in the same order."""

    def find(self, name: str, context: Context) -> Iterator[Found]:
        """Yield files as they are found; who wants fewer stops asking.

        Raises
        ------
        BadName, NotThere, LookupFailed
            See there.
        """
        ...


@dataclass(frozen=True)
class Did:
    """A dataset's identifier, ``scheme://name?files=N``."""

    scheme: str
    name: str
    files: int | None = None
    """Only the first so many."""


def parse(text: str, default: str) -> Did:
    """Return what an identifier means.

    Parameters
    ----------
    default
        The scheme of names without one.

    Raises
    ------
    BadName
        It can't be one.
    """
    if not text.strip() or not text.isprintable():
        raise BadName("did: it is empty, or holds what can't be printed")
    scheme, rest = default, text.strip()
    if (found := SCHEME.fullmatch(rest)) and found[1] not in SERVERS:
        scheme, rest = found[1], found[2]
    elif found:
        scheme = "xrootd"  # a server's address is a pattern of its files
    name, files = _without_count(rest)
    if not name:
        raise BadName(f"did: {text[:200]!r} names nothing", hint="write SCHEME://NAME")
    return Did(scheme, name, files)


def _without_count(rest: str) -> tuple[str, int | None]:
    """Take ``files`` and ``get`` off the end; a ``?`` may be part of a pattern."""
    name, mark, query = rest.rpartition("?")
    if not mark or not re.match(r"(files|get)=", query):
        return rest, None
    files = None
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key == "files":
            if not (value.isascii() and value.isdigit()) or not 0 < int(value) < FILES_MAX:
                raise BadName(f"did: files={value[:20]!r}: write a number from 1 on")
            files = int(value)
        elif key == "get" and value not in ("all", "available"):
            raise BadName(f"did: get={value[:20]!r}: write all or available")
    return name, files
