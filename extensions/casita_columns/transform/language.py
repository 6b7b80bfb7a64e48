"""What expressions and cuts may use: uproot's language with awkward's functions.

As in ServiceX's own uproot-raw, functions that reduce work within events, unless a query says
``use_standard_awkward_axis``: ``any(Jet_pt > 50)`` is a yes or no for each event
(https://github.com/ssl-hep/ServiceX_frontend, docs on Uproot Raw).
"""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import awkward
import uproot

from .pieces import DataError

WITHIN = (
    *("concatenate", "count", "count_nonzero", "sum", "nansum", "prod", "nanprod", "any", "all"),
    *("min", "nanmin", "max", "nanmax", "argmin", "nanargmin", "argmax", "nanargmax", "moment"),
    *("mean", "nanmean", "var", "nanvar", "std", "nanstd", "softmax", "ptp"),
)
"""Functions whose axis is that of an event's values, unless told otherwise."""
OTHERS = (
    *("almost_equal", "argcartesian", "argcombinations", "argsort", "broadcast_arrays"),
    *("broadcast_fields", "cartesian", "combinations", "corr", "covar", "drop_none", "fill_none"),
    *("firsts", "from_regular", "full_like", "is_none", "isclose", "linear_fit", "local_index"),
    *("mask", "nan_to_num", "num", "ones_like", "pad_none", "ravel", "run_lengths", "singletons"),
    *("sort", "to_regular", "unflatten", "unzip", "values_astype", "where", "with_field"),
    *("with_name", "without_parameters", "zeros_like", "zip"),
)
"""Of awkward's, as they are."""
GETTER = "get"
"""``get("name")`` is a column, whatever its name."""


@functools.cache
def functions(*, standard: bool = False) -> Mapping[str, Callable[..., Any]]:
    """Return every function by the name under which expressions call it.

    Parameters
    ----------
    standard
        Whether all work along the axis that is awkward's default.
    """
    own = dict(uproot.language.python.PythonLanguage().functions)
    own |= {name: getattr(awkward, name) for name in (*WITHIN, *OTHERS, "flatten")}
    if not standard:
        own |= {name: _along(getattr(awkward, name), 1) for name in WITHIN}
        own["flatten"] = _along(awkward.flatten, 2)
    return own


def _along(function: Callable[..., Any], usual: int) -> Callable[..., Any]:
    place = list(inspect.signature(function).parameters).index("axis")

    @functools.wraps(function)
    def along(*values: Any, **options: Any) -> Any:
        unsaid = len(values) <= place and "axis" not in options
        return function(*values, **options, **({"axis": usual} if unsaid else {}))

    return along


class Language(uproot.language.python.PythonLanguage):  # type: ignore[misc]
    """uproot's language, which says which expression is wrong, and why."""

    def __init__(self, *, standard: bool) -> None:
        super().__init__(functions(standard=standard), GETTER)

    def compute_expressions(
        self, tree: Any, arrays: Mapping[str, Any], context: list[Any], *names: Any
    ) -> Any:
        """Return the values of expressions, of events that pass the cut.

        Raises
        ------
        DataError
            One can't be computed.
        """
        events = len(next(iter(arrays.values()))) if arrays else 0
        compute = functools.partial(super().compute_expressions, tree, arrays)
        inputs = [one for one in context if not one[1]["is_primary"]]
        try:
            found = compute(context, *names)
        except MemoryError:
            raise
        except Exception:
            for text, about in context:
                if about["is_primary"]:
                    alone = functools.partial(
                        compute, [*inputs, (text, {**about, "is_cut": False})], *names
                    )
                    cut = about["is_cut"]
                    checked(text, lambda: alone()[text], events, cut=cut)  # noqa: B023 (at once)
            raise
        if not any(about["is_cut"] for _, about in context):
            for text, value in found.items():
                checked(text, lambda: value, events)  # noqa: B023 (at once)
        return found


def checked(text: str, compute: Callable[[], Any], events: int, *, cut: bool = False) -> Any:
    """Return the value of an expression.

    Raises
    ------
    DataError
        There is none, or it does not fit the events; the sentence names the expression.
    """
    what = f"the {'cut' if cut else 'expression'} {text[:200]!r}"
    try:
        value = compute()
    except (MemoryError, DataError):
        raise
    except Exception as error:
        first = (str(error).strip().splitlines() or ["no message"])[0]
        raise DataError(f"{what}: {type(error).__name__}: {first}") from error
    if getattr(value, "ndim", 0) == 0:
        raise DataError(f"{what} has one value in all, and must have one for each event")
    if len(value) != events:
        raise DataError(f"{what} has {len(value)} values for {events} events")
    if cut and value.ndim > 1:
        raise DataError(
            f"{what} has a list for each event, and must have a yes or no: use any(...) or all(...)"
        )
    return value


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
    return list(_names(ast.parse(text.strip(), mode="eval")))


def _names(node: ast.AST) -> Iterator[str]:
    if name := _gotten(node):
        yield name
    elif isinstance(node, ast.Name | ast.Attribute) and (dotted := _dotted(node)):
        yield dotted
    else:
        for one in ast.iter_child_nodes(node):
            yield from _names(one)


def _gotten(node: ast.AST) -> str:
    """Return the name in ``get("name")``, or ""."""
    match node:
        case ast.Call(func=ast.Name(id="get"), args=[ast.Constant(value=str(name))]):
            return name
    return ""


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def evaluated(text: str, columns: Mapping[str, Any], *, standard: bool) -> Any:
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
    space = {**functions(standard=standard), GETTER: columns.__getitem__, **columns, **held}
    return eval(code, {"__builtins__": {}}, space)
