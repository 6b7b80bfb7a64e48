"""What is wrong with a func_adl query, in a sentence for who wrote it.

func_adl_uproot, dask-awkward and awkward say it in terms of what they are made of.
"""

from __future__ import annotations

import ast
import re

FUNCTIONS = {
    "Select": "selector",
    "SelectMany": "selector",
    "Where": "predicate",
    "Any": "predicate",
    "All": "predicate",
    "OrderBy": "key_selector",
    "OrderByDescending": "key_selector",
}
"""qastle's operators that take a function, and their name for it."""
SENTENCES = (
    (
        r"^(\w+) not in fields",
        "there is no column {0!r}, nor an operator of that name; the elements of pairs are "
        "ElementAt(0) and ElementAt(1)",
    ),
    (r"^no field '(.+?)' in record", "there is no column {0!r}"),
    (
        r"index out of range while attempting to get index (-?\d+)",
        "some events have no element {0} (First, Last, ElementAt): leave them out by Where, e.g. "
        "of Count()",
    ),
    (
        r"^list index out of range",
        "a number in brackets is a column of a tuple: elements of lists are ElementAt(number)",
    ),
    (
        r"^axis=\d exceeds the depth",
        "an operator for lists (Count, Sum, SelectMany, ...) is called on what has one value for "
        "each event",
    ),
    (
        r"too many jagged slice dimensions",
        "Where wants one value for each event, and its condition gives a list: use Any or All, or "
        "Where on the list",
    ),
    (
        r"^cannot broadcast nested list",
        "lists of different lengths are combined, e.g. muons and jets of one event",
    ),
    (
        r"^'(\w+)' object has no attribute '_meta'",
        "a column is a constant ({0}): columns are made of others, e.g. 0 * e.run + 1",
    ),
    (r"^\('could not find backend for', \(\)\)", "the result has no columns"),
    (
        r"^arrays of records cannot be flattened",
        "SelectMany of several lists: make one list of them by Zip",
    ),
    (r"^Lists containing integers", "what stands in brackets must be one name or one number"),
    (r"^Encountered a None value", "a column is None"),
    (r"^map_partitions expects at least one", "the result is made of no column"),
    (r"^unsupported operand .*'NoneType' and 'int'", "it is of no EventDataset"),
    (r"fields' must all be strings", "names of columns must be text"),
    (
        r"^(?:Iteration over a Dask|object of type '\w+' has no len|A dask_awkward\.Array is enc)",
        "Python's own functions do not work on columns: use the operators Count, Sum, Min, Max, "
        "or functions of np",
    ),
    (r"^dtype cannot be 'str'", "columns can't hold text"),
    (r"object has no attribute 'keys'|ReadOnlyDirectory\.keys\(\)", "what it names is no tree"),
)
"""What is found in their words, and what is said instead."""
SILENT = {
    "DaskAwkwardNotImplemented": "func_adl_uproot can't do this with whole events, only within "
    "them (OrderBy)",
    "NotImplementedError": "a function is called that can't be used on columns",
    "AssertionError": "columns are compared with, or made of, something that is no number",
}
"""Of errors that come without words."""


def explained(error: Exception) -> str:
    """Return an error in one line."""
    name = type(error).__name__
    text = str(error).strip()
    if name in SILENT and (not text or text.startswith("TODO")):
        return SILENT[name]
    for pattern, sentence in SENTENCES:
        if found := re.search(pattern, text):
            return sentence.format(*found.groups())
    line = text.partition("\n")[0].partition(". Expected one of")[0]
    return f"{name}: {line or 'no message'}"


def trouble_in(tree: ast.AST) -> str:
    """Return what is wrong with a query in Python's form, as far as can be told from it; or ""."""
    for node in ast.walk(tree):
        operator = type(node).__name__
        function = getattr(node, FUNCTIONS.get(operator, ""), None)
        if isinstance(function, ast.Lambda) and len(function.args.args) != 1:
            count = len(function.args.args)
            return f"{operator}: its function takes {count} arguments, and must take one"
    return ""


def datasets_in(tree: ast.AST) -> list[ast.Call]:
    """Return the calls of EventDataset, whose second argument names the tree."""
    calls = [one for one in ast.walk(tree) if isinstance(one, ast.Call)]
    names = (one.func.id if isinstance(one.func, ast.Name) else "" for one in calls)
    return [call for call, name in zip(calls, names, strict=True) if name == "EventDataset"]
