"""``uproot``: func_adl queries (qastle), run by func_adl_uproot.

https://github.com/iris-hep/func_adl_uproot
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import awkward
import uproot

from .arrays import trees_of
from .pieces import CodeError, DataError, Piece, SelectionError
from .stream import Opened


@dataclass(frozen=True)
class FuncAdl:
    """A query that func_adl_uproot has made a function of."""

    call: Callable[[str], Any]

    @staticmethod
    def of(text: str) -> FuncAdl:
        """Return the function that a query in qastle's text form stands for.

        Raises
        ------
        SelectionError
            It can't be understood, with what func_adl_uproot says.
        """
        import func_adl_uproot
        import qastle

        try:
            tree = qastle.text_ast_to_python_ast(text).body[0].value
            source = func_adl_uproot.generate_python_source(tree)
            space: dict[str, Any] = {}
            exec(compile(source, "<func_adl>", "exec"), space)
        except Exception as error:
            # What happens within the parser (lark) comes wrapped.
            raise SelectionError(_said(getattr(error, "orig_exc", error))) from None
        return FuncAdl(space["run_query"])

    def pieces(self, source: Opened) -> Iterator[Piece]:
        """Yield what the query selects.

        Raises
        ------
        DataError
            There is no such tree, or no such column.
        CodeError
            It can't be computed.
        """
        import dask

        try:
            with dask.config.set(scheduler="synchronous"):
                trees = list(trees_of(self.call(source.path)))
        except (MemoryError, OSError, DataError):
            raise
        except uproot.KeyInFileError as error:
            raise DataError(f"there is no tree {error.key!r}") from error
        except (awkward.errors.FieldNotFoundError, AttributeError) as error:
            raise DataError(_said(error)) from error
        except Exception as error:
            raise CodeError(_said(error)) from error
        for tree in trees:
            source.entries += len(tree.array)
            yield tree


def _said(error: Exception) -> str:
    """Return an error in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
