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
from .explain import datasets_in, explained, trouble_in
from .pieces import CodeError, DataError, Piece, SelectionError
from .stream import Opened

TREES = ("TTree", "ROOT::RNTuple")
FILTER = "def _remove_not_interpretable(branch):\n"
"""What func_adl_uproot (2.2) asks of every branch; fields of RNTuples don't know the answer."""
FIELDS = f"{FILTER}        if not hasattr(branch, 'interpretation'):\n            return True\n"


@dataclass(frozen=True)
class FuncAdl:
    """A query that func_adl_uproot has made a function of."""

    call: Callable[[str, str | None], Any]
    """Takes a file's path, and the name of a tree in place of those that the query names."""
    named: bool
    """Whether the query names its tree."""

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
            if trouble := trouble_in(qastle.insert_linq_nodes(tree)):
                raise SelectionError(trouble)
            named = all(len(one.args) > 1 for one in datasets_in(tree))
            source = func_adl_uproot.generate_python_source(tree).replace(FILTER, FIELDS)
            space: dict[str, Any] = {}
            exec(compile(source, "<func_adl>", "exec"), space)
        except SelectionError:
            raise
        except Exception as error:
            # What happens within the parser (lark) comes wrapped.
            raise SelectionError(explained(getattr(error, "orig_exc", error))) from None
        return FuncAdl(space["run_query"], named)

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
                tree_name = None if self.named else _only_tree(source.path)
                trees = list(trees_of(self.call(source.path, tree_name)))
        except (MemoryError, OSError, DataError):
            raise
        except uproot.KeyInFileError as error:
            raise DataError(f"there is no tree {error.key!r}") from error
        except (awkward.errors.FieldNotFoundError, AttributeError) as error:
            raise DataError(explained(error)) from error
        except Exception as error:
            raise CodeError(explained(error)) from error
        for tree in trees:
            source.entries += len(tree.array)
            yield tree


def _only_tree(path: str) -> str:
    """Return the name of a file's tree.

    Raises
    ------
    DataError
        It has none, or several.
    """
    with uproot.open(path) as file:
        names = sorted(set(file.keys(cycle=False, filter_classname=TREES)))
    if len(names) != 1:
        there = f"these: {', '.join(names)}" if names else "none"
        raise DataError(f"the query names no tree, and of trees the file has {there}")
    return str(names[0])
