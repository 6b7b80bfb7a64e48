"""Reading a tree in steps, a TTree or an RNTuple."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import awkward
import uproot

from . import language
from .pieces import DataError

FILTERS = ("filter_name", "filter_typename")
STEP_BYTES = 50_000_000
"""What is held of a tree at a time."""


class Reader:
    """One tree.

    Parameters
    ----------
    options
        ``expressions``, ``cut``, ``filter_name``, ``filter_typename``, ``aliases``.
    standard
        Whether functions work along awkward's axes (:mod:`.language`).

    Raises
    ------
    DataError
        It is no tree, or lacks a column.
    """

    def __init__(self, tree: Any, options: Mapping[str, Any], *, standard: bool = False) -> None:
        if not hasattr(tree, "num_entries"):
            raise DataError(f"{getattr(tree, 'name', 'this')} is no tree")
        self._tree = tree
        self._options = dict(options)
        self._standard = standard
        self.entries = int(tree.num_entries)
        self._there = set(tree.keys())
        self._filters = {key: options[key] for key in FILTERS if key in options}
        self._used = self._names_used()
        self._wanted = self._top_level()
        self._refuse()

    def _names_used(self) -> list[str]:
        """Return the columns that expressions, aliases and the cut are made of."""
        texts = [*self._options.get("expressions", ()), *self._options.get("aliases", {}).values()]
        texts += [self._options["cut"]] if "cut" in self._options else []
        return sorted({name for text in texts for name in self._fields(text)})

    def _top_level(self) -> set[str]:
        """Return the fields that patterns of names mean.

        In RNTuples that ROOT makes of NanoAOD, ``Muon_pt`` is a field, and one within
        ``_collection15``: uproot goes by the last part of a name.
        """
        fits = [_matcher(one) for one in self._options.get("filter_name", ["*"])]
        return {name.partition(".")[0] for name in self._there if any(one(name) for one in fits)}

    def _refuse(self) -> None:
        """Refuse columns that are not there."""
        known = self._there | {*self._options.get("aliases", ()), language.GETTER}
        known |= language.functions().keys()
        wanted = [*self._options.get("expressions", ()), self._options.get("cut") or "0"]
        wanted += self._options.get("aliases", {}).values()
        for text in wanted:
            for name in language.names(text):
                parts = name.split(".")
                heads = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
                if not heads & known:
                    raise DataError(_missing(name, self._there))
        if "filter_name" in self._options and "expressions" not in self._options:
            self._match_names()

    def _match_names(self) -> None:
        for name in self._options["filter_name"]:
            plain = not any(one in name for one in "*?[/")
            if plain and name not in self._there:
                raise DataError(_missing(name, self._there))

    def steps(self) -> Iterator[Any]:
        """Yield awkward arrays of events that pass the cut; one at least, maybe without events.

        Raises
        ------
        DataError
            There is nothing to yield, or a column can't be read or computed.
        """
        read = self._of_ttree if isinstance(self._tree, uproot.TTree) else self._of_rntuple
        some = False
        try:
            for array in read():
                if not array.fields:
                    break
                some = True
                yield array
        except (DataError, MemoryError, OSError):
            raise
        except Exception as error:
            raise DataError(_unreadable(error)) from error
        if not some:
            raise DataError(f"{self._tree.name}: no column fits what is asked for")

    def _of_ttree(self) -> Iterator[Any]:
        spoken = language.Language(standard=self._standard)
        options = {**self._options, "language": spoken, "library": "ak"}
        if self.entries == 0:
            yield self._tree.arrays(entry_stop=0, **options)
            return
        yield from self._tree.iterate(step_size=self._step_entries(), **options)

    def _step_entries(self) -> int:
        """Return how many events of a TTree are read at a time.

        By what the branches say of themselves: uproot (5.7) would read the head of every basket to
        find out, one after the other, and far away each takes as long as much data.
        """
        read = {name: self._tree[name] for name in self._used}
        if "expressions" not in self._options:
            read |= dict(self._tree.iteritems(**self._filters))
        size = sum(int(one.uncompressed_bytes) for one in read.values())
        return max(1, STEP_BYTES * self.entries // max(1, size))

    def _of_rntuple(self) -> Iterator[Any]:
        asked: list[dict[str, Any]] = [{"filter_name": self._used}] if self._used else []
        if "expressions" not in self._options:
            if not self._tree.keys(**self._filters):
                return
            asked.append(self._filters)
        sizes = [self._tree.num_entries_for(STEP_BYTES, **one) for one in asked if self.entries]
        size = max(1, min(sizes, default=1))
        for start in range(0, max(1, self.entries), size):
            yield self._step(start, min(start + size, self.entries))

    def _step(self, start: int, stop: int) -> Any:
        """Return a part of an RNTuple; aliases, expressions and cut are computed here."""
        options, part = self._options, {"entry_start": start, "entry_stop": stop}
        columns: dict[str, Any] = {}
        if self._used:
            read = self._tree.arrays(filter_name=self._used, **part)
            columns = {name: read[name] for name in read.fields}

        def value(text: str, *, cut: bool = False) -> Any:
            def compute() -> Any:
                return language.evaluated(text, columns, standard=self._standard)

            return language.checked(text, compute, stop - start, cut=cut)

        for name, text in options.get("aliases", {}).items():
            columns[name] = value(text)
        if "expressions" in options:
            found = awkward.zip({one: value(one) for one in options["expressions"]}, depth_limit=1)
        else:
            found = self._tree.arrays(**self._filters, **part)
            found = found[[one for one in found.fields if one in self._wanted]]
        return found[value(options["cut"], cut=True) != 0] if "cut" in options else found

    def _fields(self, text: str) -> Iterator[str]:
        for name in language.names(text):
            parts = name.split(".")
            heads = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
            yield from [one for one in heads if one in self._there][:1]


def _matcher(pattern: str) -> Callable[[str], Any]:
    """Return what tells whether a name fits a pattern: a name, a glob, or ``/regex/flags``."""
    if found := re.fullmatch(r"/(.*)/([ilmsux]*)", pattern):
        flags = re.RegexFlag(0)
        for one in found[2]:
            flags |= getattr(re, one.upper())
        return re.compile(found[1], flags).search
    return re.compile(fnmatch.translate(pattern)).match


def _unreadable(error: Exception) -> str:
    """Return what to say of an error of uproot's."""
    if isinstance(error, uproot.KeyInFileError):
        return f"there is no column {error.key!r}"
    first, *rest = str(error).strip().splitlines() or ["no message"]
    place = [line.partition(":")[2] for line in rest if line.startswith("in object ")]
    if not place or "Awkward Array" not in first:
        return f"{type(error).__name__}: {first}"
    kind = re.search(r"AsObjects\((Model_\w+)\)", first)
    what = f", of type {uproot.model.classname_decode(kind[1])[0]}," if kind else ""
    return f"the column {place[0]!r}{what} can't be read as an array: leave it out (filter_name)"


def _missing(name: str, there: set[str]) -> str:
    near = difflib.get_close_matches(name, sorted(there), 3)
    return f"there is no column {name!r}" + (f"; there are {', '.join(near)}" if near else "")
