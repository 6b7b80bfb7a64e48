"""What a finder is, what it gets, and how it says that it found nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import httpx

from casita.errors import CasitaError

Get = Literal["all", "available"]
"""Whether files that can't be had are an error, or are left out."""


class BadName(CasitaError):
    """What was given can't be the name of a dataset (ServiceX's ``bad_name``)."""


class NotThere(CasitaError):
    """There is no such dataset, or it has no files (``does_not_exist``)."""


class LookupFailed(CasitaError):
    """It is not known what the name stands for: somebody does not answer (``internal_failure``)."""


class Entry(NamedTuple):
    """One line of a folder's listing."""

    name: str
    size: int | None
    """Bytes, if known."""
    is_folder: bool


Lister = Callable[[str], Sequence[tuple[str, int | None, bool]]]
"""Lists a folder, by path or URL, as :class:`Entry` says, without links that lead in circles;
raises NotThere of a folder that is not there, and another CasitaError if it can't be listed."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a dataset."""

    paths: tuple[str, ...]
    """Its replicas, the best first: URLs, or absolute local paths."""
    size: int = 0
    """Bytes; 0 if not known."""
    events: int = 0
    """0 if not known."""
    adler32: str | None = None
    """Hexadecimal."""


def _no_fileset(name: str) -> dict[str, Any] | None:
    return None


@dataclass(frozen=True)
class Context:
    """What a lookup may use."""

    user: str
    """For whom it is."""
    list_directory: Lister
    """Lists a folder with the rights of that user."""
    http: httpx.Client
    directory: Path
    """For what finders keep."""
    fetch_fileset: Callable[[str], dict[str, Any] | None] = field(default=_no_fileset)
    """Returns a dataset of another catalogue in coffea's form, or None if that has none."""
    get: Get = "all"


class Finder(Protocol):
    """Turns names of one scheme into files."""

    scheme: str
    title: str
    """What it is, for people."""

    def find(self, name: str, context: Context) -> Iterator[Found]:
        """Yield files, always in the same order, as they are found.

        It runs in a thread and may wait; who wants only the first files stops asking.

        Raises
        ------
        BadName, NotThere, LookupFailed
            As these say.
        """
        ...
