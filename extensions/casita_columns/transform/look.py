"""What a file holds: its trees, their columns, and how large these are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import uproot

from .pieces import DataError
from .stream import Opened

CLASSES = {"TTree": "TTree", "ROOT::RNTuple": "RNTuple", "ROOT::Experimental::RNTuple": "RNTuple"}
TREES_MAX = 200


def trees(source: Opened) -> list[dict[str, Any]]:
    """Return a description of every tree.

    Raises
    ------
    DataError
        It is no ROOT file.
    """
    try:
        file = uproot.open(source.path)
    except OSError:
        raise
    except Exception as error:
        first = (str(error).strip().splitlines() or ["no message"])[0]
        raise DataError(f"this is no ROOT file that can be read: {first}") from None
    with file:
        found = file.classnames(cycle=False)
        names = [name for name, kind in found.items() if kind in CLASSES][:TREES_MAX]
        return [_tree(name, file[name], CLASSES[found[name]]) for name in names]


def _tree(name: str, tree: Any, kind: str) -> dict[str, Any]:
    entries = int(tree.num_entries)
    branches = list(_branches(tree, entries) if kind == "TTree" else _fields(tree, entries))
    return {"name": name, "entries": entries, "kind": kind, "branches": branches}


def _branches(tree: Any, entries: int) -> Iterator[dict[str, Any]]:
    for name, branch in tree.iteritems():
        if branch.branches:
            continue  # its parts are there themselves
        size = int(branch.compressed_bytes)
        yield {"name": name, "type": branch.typename, "bytes": size / max(1, entries)}


def _fields(tree: Any, entries: int) -> Iterator[dict[str, Any]]:
    total = int(tree.compressed_bytes) if hasattr(tree, "compressed_bytes") else 0
    names = tree.keys()
    for name in names:
        field = tree[name]
        size = getattr(field, "compressed_bytes", None)
        size = total / max(1, len(names)) if size is None else size
        kind = str(getattr(field, "typename", ""))
        yield {"name": name, "type": kind, "bytes": float(size) / max(1, entries)}
