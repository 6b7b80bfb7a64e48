"""``uproot-raw``: columns, cuts and histograms in the words of uproot.

The form and its meaning are ServiceX's (``ServiceX_Code_Generator_RawUproot``): a JSON list of
queries, each of them either ``copy_histograms`` or what ``TTree.arrays`` takes.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import uproot

from . import language
from .pieces import DataError, Object, Piece, SelectionError, Tree
from .reading import Reader
from .sources import handler
from .stream import Opened

TEXTS = ("expressions", "filter_name", "filter_typename")
SWITCHES = ("fail_on_missing_trees", "use_standard_awkward_axis")
FIELDS = ("treename", *TEXTS, "cut", "aliases", *SWITCHES)
PATTERN = "*?[/"
"""What names of histograms hold when they are patterns (but a slash within is a folder's)."""
TREES = ("TTree", "ROOT::RNTuple", "ROOT::Experimental::RNTuple", "TDirectory", "TDirectoryFile")
"""Classes of what is there but no histogram."""


@dataclass(frozen=True)
class Query:
    """Columns of some trees."""

    trees: Mapping[str, str]
    """Name in the file -> name in the output."""
    options: Mapping[str, Any]
    """For ``TTree.arrays``."""
    must: bool
    """Whether a tree that is missing is an error."""
    standard: bool
    """Whether functions work along awkward's axes."""


@dataclass(frozen=True)
class Histograms:
    """Objects to copy."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Raw:
    """A selection."""

    queries: tuple[Query | Histograms, ...]

    @staticmethod
    def of(text: str) -> Raw:
        """Return what a selection asks for.

        Raises
        ------
        SelectionError
            It is not of that form; the sentence names the place.
        """
        try:
            items = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SelectionError(f"the selection is no JSON: {error}") from None
        items = [items] if isinstance(items, dict) else items
        if not isinstance(items, list) or not items:
            raise SelectionError("the selection is no list of queries")
        return Raw(tuple(_query(one, f"query {at + 1}") for at, one in enumerate(items)))

    def pieces(self, source: Opened) -> Iterator[Piece]:
        """Yield trees in steps, and histograms.

        Raises
        ------
        DataError
            The file lacks something that is asked for.
        """
        # One tree needs no mark, and coffea reads no texts from Parquet.
        marked = sum(len(one.trees) for one in self.queries if isinstance(one, Query)) > 1
        with _file(source) as file:
            for one in self.queries:
                if isinstance(one, Histograms):
                    yield from _histograms(one, file)
                else:
                    yield from _trees(one, file, source, marked=marked)
            source.bytes_in = source.bytes_in or int(file.file.source.num_requested_bytes)


def _query(item: Any, place: str) -> Query | Histograms:
    if not isinstance(item, dict):
        raise SelectionError(f"{place} is no object")
    given = {key: value for key, value in item.items() if value is not None}
    if "copy_histograms" in given:
        if len(given) > 1:
            raise SelectionError(f"{place}: copy_histograms goes alone; make it a query of its own")
        names = given["copy_histograms"]
        return Histograms(tuple(_texts(names, f"{place}: copy_histograms")))
    if unknown := [key for key in given if key not in FIELDS]:
        near = difflib.get_close_matches(unknown[0], FIELDS, 1)
        hint = f"; do you mean {near[0]!r}?" if near else f": there are {', '.join(FIELDS)}"
        raise SelectionError(f"{place}: nothing is called {unknown[0]!r}{hint}")
    if "treename" not in given:
        raise SelectionError(f"{place}: treename is missing")
    for key in SWITCHES:
        if not isinstance(given.get(key, False), bool):
            raise SelectionError(f"{place}: {key} is neither true nor false")
    return Query(
        _named(given["treename"], f"{place}: treename"),
        _options(given, place),
        *(given.get(key, False) for key in SWITCHES),
    )


def _named(trees: Any, place: str) -> dict[str, str]:
    if isinstance(trees, dict):
        if all(isinstance(one, str) for one in trees.values()) and trees:
            return dict(trees)
        raise SelectionError(f"{place}: names must be texts")
    return {one: one for one in _texts(trees, place)}


def _texts(value: Any, place: str) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(one, str) for one in texts):
        raise SelectionError(f"{place} is neither a text nor a list of texts")
    return texts


def _options(given: Mapping[str, Any], place: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for key in TEXTS:
        if key in given:
            options[key] = _texts(given[key], f"{place}: {key}")
    try:
        for one in options.get("expressions", ()):
            language.check(one, f"{place}: expressions")
        if "cut" in given:
            cut = given["cut"]
            if not isinstance(cut, str):
                raise SelectionError(f"{place}: cut is no text")
            if cut.strip():
                language.check(cut, f"{place}: cut")
                options["cut"] = cut
        options |= _aliases(given, place)
    except ValueError as error:
        raise SelectionError(str(error)) from None
    return options


def _aliases(given: Mapping[str, Any], place: str) -> dict[str, Any]:
    if "aliases" not in given:
        return {}
    aliases = given["aliases"]
    if not isinstance(aliases, dict) or not all(isinstance(one, str) for one in aliases.values()):
        raise SelectionError(f"{place}: aliases is no object of texts")
    for name, text in aliases.items():
        language.check(text, f"{place}: aliases.{name}")
    return {"aliases": aliases} if aliases else {}


# ---- files


def _file(source: Opened) -> Any:
    try:
        return uproot.open(source.path, handler=handler(source.path))
    except OSError:
        raise
    except Exception as error:
        first = (str(error).strip().splitlines() or ["no message"])[0]
        raise DataError(f"this is no ROOT file that can be read: {first}") from None


def _histograms(query: Histograms, file: Any) -> Iterator[Piece]:
    """Yield objects by their names, or by patterns as uproot has them; each one once."""
    kinds = file.classnames(cycle=False)
    there = [name for name, kind in kinds.items() if kind not in TREES]
    found: dict[str, None] = {}
    for name in query.names:
        if name in there:
            found[name] = None
            continue
        if not any(one in name.strip("/") or name.startswith("/") for one in PATTERN):
            raise DataError(f"there is no histogram {name!r}{_near(name, there)}")
        fits = file.keys(filter_name=name, cycle=False)
        found |= dict.fromkeys(one for one in fits if one in there)
    yield from (Object(name, file[name]) for name in found)


def _trees(query: Query, file: Any, source: Opened, *, marked: bool) -> Iterator[Piece]:
    for name, called in query.trees.items():
        if name not in file:
            if query.must:
                raise DataError(f"there is no tree {name!r}{_near(name, file.keys(cycle=False))}")
            continue
        reader = Reader(file[name], query.options, standard=query.standard)
        source.entries += reader.entries
        for array in reader.steps():
            yield Tree(called, array, marked=marked)


def _near(name: str, there: list[str]) -> str:
    near = difflib.get_close_matches(name, there, 3)
    return f"; there are {', '.join(near)}" if near else ""
