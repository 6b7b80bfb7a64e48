"""``uproot``: func_adl queries (qastle), run by func_adl_uproot.

https://github.com/iris-hep/func_adl_uproot
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .arrays import trees_of
from .pieces import Piece, SelectionError
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
            first = (str(error).strip().splitlines() or ["it can't be understood"])[0]
            raise SelectionError(f"{type(error).__name__}: {first}") from None
        return FuncAdl(space["run_query"])

    def pieces(self, source: Opened) -> Iterator[Piece]:
        """Yield what the query selects."""
        import dask

        with dask.config.set(scheduler="synchronous"):
            found = self.call(source.path)
        for tree in trees_of(found):
            source.entries += len(tree.array)
            yield tree
