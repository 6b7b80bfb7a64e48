"""``python``: a function of the user's, which gets a file and returns arrays."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .arrays import trees_of
from .pieces import Piece, SelectionError
from .stream import Opened

NAME = "run_query"
"""What ServiceX's client calls the function (``servicex/python_dataset.py``)."""


@dataclass(frozen=True)
class Function:
    """A function."""

    call: Callable[[str], Any]

    @staticmethod
    def of(text: str) -> Function:
        """Return the function that a selection, its source in base64, defines.

        Raises
        ------
        SelectionError
            It is none.
        """
        try:
            source = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, ValueError):
            raise SelectionError("the selection is no Python source in base64") from None
        try:
            code = compile(source, "<your function>", "exec")
        except (SyntaxError, ValueError) as error:
            raise SelectionError(f"{type(error).__name__}: {error}") from None
        space: dict[str, Any] = {"__name__": "query"}
        try:
            exec(code, space)
        except BaseException as error:
            raise SelectionError(f"{type(error).__name__}: {error}") from error
        if not callable(space.get(NAME)):
            raise SelectionError(f"the source defines no function {NAME}(input_filenames)")
        return Function(space[NAME])

    def pieces(self, source: Opened) -> Iterator[Piece]:
        """Yield what the function returns."""
        for tree in trees_of(self.call(source.path)):
            source.entries += len(tree.array)
            yield tree
