"""What expressions and cuts may use: uproot's language with awkward's functions."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

import awkward
import numpy
import uproot

FUNCTIONS = (
    *("all", "any", "argcartesian", "argcombinations", "argmax", "argmin", "argsort"),
    *("broadcast_arrays", "cartesian", "combinations", "concatenate", "corr", "count"),
    *("count_nonzero", "covar", "drop_none", "fill_none", "firsts", "flatten", "from_regular"),
    *("full_like", "is_none", "isclose", "linear_fit", "local_index", "mask", "max", "mean"),
    *("min", "moment", "nan_to_num", "num", "ones_like", "pad_none", "prod", "ptp", "ravel"),
    *("run_lengths", "singletons", "softmax", "sort", "std", "sum", "to_regular", "unflatten"),
    *("unzip", "values_astype", "var", "where", "with_field", "with_name", "without_parameters"),
    *("zeros_like", "zip"),
)
"""Of awkward, as ServiceX's own uproot-raw offers them."""


def functions() -> dict[str, Callable[..., Any]]:
    """Return every function by the name under which expressions call it."""
    own = dict(uproot.language.python.PythonLanguage().functions)
    return {**own, **{name: getattr(awkward, name) for name in FUNCTIONS}}


def language() -> Any:
    """Return uproot's language with them."""
    return uproot.language.python.PythonLanguage(functions())


def check(text: str, what: str) -> None:
    """Refuse what is no expression.

    Raises
    ------
    ValueError
        It is none; the sentence names ``what``.
    """
    try:
        ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = getattr(error, "msg", None) or type(error).__name__
        raise ValueError(f"{what}: syntax error in {text[:200]!r}: {why}") from None


def names(text: str) -> list[str]:
    """Return the names in an expression, those with dots whole."""
    found: list[str] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Name | ast.Attribute) and (dotted := _dotted(node)):
            found.append(dotted)
            return
        for one in ast.iter_child_nodes(node):
            visit(one)

    visit(ast.parse(text.strip(), mode="eval"))
    return found


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def evaluated(text: str, columns: Mapping[str, Any]) -> Any:
    """Return the value of an expression of columns that have been read.

    For RNTuples, of which uproot (5.7) computes none itself. Names with dots are columns, too.
    """
    tree = ast.parse(text.strip(), mode="eval")
    held: dict[str, Any] = {}

    class Columns(ast.NodeTransformer):
        def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
            dotted = _dotted(node)
            if dotted not in columns:
                return self.generic_visit(node)
            held[f"column_{len(held)}"] = columns[dotted]
            name = ast.Name(f"column_{len(held) - 1}", ast.Load())
            return ast.copy_location(name, node)

    code = compile(ast.fix_missing_locations(Columns().visit(tree)), "<expression>", "eval")
    space = {**functions(), "numpy": numpy, "np": numpy, **columns, **held}
    return eval(code, {"__builtins__": {}}, space)
