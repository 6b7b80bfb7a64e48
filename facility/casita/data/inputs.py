"""What a person names as input -> checked files, and a fileset for coffea.

A file, a directory, a glob, ``root://`` or ``https://``.  Everything is opened once before an
analysis starts: a bad path or a truncated file is refused in a sentence rather than by a traceback
from a worker.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from casita.errors import DataError

TREE = "Events"
SUFFIXES = (".root", ".parquet")
ELSEWHERE = ("root", "http", "https")
XROOTD_PATIENCE = {"XRD_CONNECTIONWINDOW": "10", "XRD_CONNECTIONRETRY": "1"}
"""Seconds and tries; XRootD's own are minutes for a server that is not there."""


@dataclass(frozen=True)
class Input:
    """One readable file with events."""

    path: str
    """Absolute path or URL."""
    format: Literal["root", "parquet"]
    events: int
    size: int
    """Bytes; 0 where the server does not say."""


def expand(text: str) -> list[str]:
    """Return the files that ``text`` names: absolute paths, or one URL.

    Raises
    ------
    DataError
        Nothing is there, or it is no ROOT or Parquet file.
    """
    scheme = urlsplit(text).scheme
    if scheme in ELSEWHERE:
        return [_with_suffix(text, urlsplit(text).path)]
    if scheme and "://" in text:
        raise DataError(f"{text}: {scheme}:// is not known", hint="use root://, https:// or a path")
    path = Path(text).expanduser().absolute()
    if path.is_dir():
        files = (one for one in path.rglob("*") if one.suffix in SUFFIXES and one.name[0] != ".")
        found = sorted(map(str, files))
        if not found:
            raise DataError(f"{path}: no .root or .parquet file in it", hint="name another folder")
        return found
    if path.exists():
        return [_with_suffix(str(path), path.name)]
    if glob.has_magic(text):
        found = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207
        if found:
            return [_with_suffix(one, one) for one in found]
    raise DataError(
        f"{text}: no such file or directory", hint="`casita data list` shows what is here"
    )


def _with_suffix(text: str, name: str) -> str:
    if not name.endswith(SUFFIXES):
        raise DataError(f"{text}: neither .root nor .parquet", hint="name a NanoAOD file")
    return text


def inspect(path: str, needed: Iterable[str] = ()) -> Input:
    """Open a file and return what is in it; the last event's needed branches are read for real.

    Parameters
    ----------
    needed
        Branches (or columns) without which it is of no use; ``"A|B"`` asks for either.

    Raises
    ------
    DataError
        Unreadable, truncated, no events, or branches are missing; path and reason are named.
    """
    if path.startswith("root:"):
        for name, value in XROOTD_PATIENCE.items():
            os.environ.setdefault(name, value)
    try:
        found = _parquet(path, list(needed)) if path.endswith(".parquet") else _root(path, needed)
    except DataError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"{path}: can't be read: {reason}", hint="is it whole, and a NanoAOD file?"
        ) from error
    if found.events == 0:
        raise DataError(f"{path}: no events in it", hint="name a file with events")
    return found


def _root(path: str, needed: Iterable[str]) -> Input:
    import uproot

    with uproot.open(path) as file:
        size = int(file.file.source.num_bytes or 0)
        if size and size < file.file.fEND:
            raise DataError(
                f"{path}: truncated: {size} of {file.file.fEND} bytes", hint="fetch it again"
            )
        if TREE not in file.keys(recursive=False, cycle=False):
            raise DataError(
                f"{path}: no tree {TREE!r}", hint="a NanoAOD file has one; is this another format?"
            )
        tree = file[TREE]
        wanted = list(needed)
        _check_branches(path, wanted, set(tree.keys()))
        events = int(tree.num_entries)
        if events and wanted:
            tree.arrays(_present(wanted, tree.keys()), entry_start=events - 1)
    return Input(path, "root", events, size)


def _parquet(path: str, needed: list[str]) -> Input:
    import fsspec
    import pyarrow.parquet as pq

    with fsspec.open(path, "rb") as stream:
        file = pq.ParquetFile(stream)
        _check_branches(path, needed, set(file.schema_arrow.names))
        events = int(file.metadata.num_rows)
        if events and needed:
            columns = _present(needed, file.schema_arrow.names)
            file.read_row_group(file.num_row_groups - 1, columns=columns)
        size = int(getattr(stream, "size", 0) or 0)
    return Input(path, "parquet", events, size)


def _check_branches(path: str, needed: list[str], found: set[str]) -> None:
    missing = [name for name in needed if not found.intersection(name.split("|"))]
    if missing:
        listed = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if missing[5:] else "")
        raise DataError(
            f"{path}: without the branches needed: {listed}",
            hint="name a NanoAOD file that has them",
        )


def _present(needed: Iterable[str], found: Iterable[str]) -> list[str]:
    wanted = {one for name in needed for one in name.split("|")}
    return [name for name in found if name in wanted]


def fileset_of(inputs: Iterable[Input], name: str, **metadata: Any) -> dict[str, Any]:
    """Return files as one dataset of a coffea fileset, ``{name: {"files", "metadata"}}``."""
    return {name: {"files": {one.path: TREE for one in inputs}, "metadata": metadata}}
