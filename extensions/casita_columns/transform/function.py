"""``python``: a function of the user's, which gets a file and returns arrays."""

from __future__ import annotations

import base64
import binascii
import linecache
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .arrays import trees_of
from .pieces import CodeError, Piece, SelectionError
from .stream import Opened, StreamError

NAME = "run_query"
"""What ServiceX's client calls the function (``servicex/python_dataset.py``)."""
FILE = "<your function>"


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
            code = compile(source, FILE, "exec")
        except (SyntaxError, ValueError) as error:
            raise SelectionError(f"{type(error).__name__}: {error}") from None
        # Tracebacks show lines of it, as of any file.
        linecache.cache[FILE] = (len(source), None, source.splitlines(keepends=True), FILE)
        space: dict[str, Any] = {"__name__": "query"}
        try:
            exec(code, space)
        except BaseException as error:
            raise SelectionError(_said(error)) from _own(error)
        if not callable(space.get(NAME)):
            raise SelectionError(f"the source defines no function {NAME}(input_filenames)")
        return Function(space[NAME])

    def pieces(self, source: Opened) -> Iterator[Piece]:
        """Yield what the function returns.

        Raises
        ------
        CodeError
            It fails; the sentence names its line.
        """
        try:
            found = self.call(source.path)
        except (MemoryError, StreamError):
            raise
        except BaseException as error:
            raise CodeError(_said(error)) from _own(error)
        for tree in trees_of(found):
            source.entries += len(tree.array)
            yield tree


def _said(error: BaseException) -> str:
    """Return an error in one line, with the last line of the function's that led to it."""
    lines = str(error).strip().splitlines()
    place = [one for one in traceback.extract_tb(error.__traceback__) if one.filename == FILE]
    where = f" (line {place[-1].lineno}, in {place[-1].name})" if place else ""
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}{where}"


def _own(error: BaseException) -> BaseException:
    """Return an error whose traceback begins in the function."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != FILE:
        trace = trace.tb_next
    return error.with_traceback(trace)
