"""What plans give: pieces of trees, and objects that are copied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from .stream import Opened


class SelectionError(ValueError):
    """A query is wrong, whatever the data."""


class DataError(ValueError):
    """A file has not what the query asks for, or can't be read."""


class CodeError(RuntimeError):
    """A function of the user's failed."""


@dataclass(frozen=True)
class Tree:
    """Some events of a tree; all of a tree's have the same columns."""

    name: str
    array: Any
    """Awkward array of records."""
    marked: bool = False
    """Whether a table tells for each event which tree it is of."""


@dataclass(frozen=True)
class Object:
    """A histogram."""

    name: str
    content: Any


Piece = Tree | Object


class Plan(Protocol):
    """A query that has been understood."""

    def pieces(self, source: Opened) -> Iterator[Piece]:
        """Yield what it gives of one file.

        Raises
        ------
        DataError
            The file lacks something.
        """
        ...
