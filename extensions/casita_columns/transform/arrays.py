"""What functions return, as trees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import awkward
import numpy

from .pieces import DataError, Tree

TREE = "servicex"
"""How ServiceX calls the tree of a query that names none."""
COLUMN = "value"


def trees_of(found: Any) -> Iterator[Tree]:
    """Yield the trees in a function's result: arrays of records, or a mapping to arrays.

    Raises
    ------
    DataError
        It is nothing of the kind.
    """
    if isinstance(found, Mapping):
        arrays = {str(name): _array(one) for name, one in found.items()}
        if arrays and all(awkward.fields(one) for one in arrays.values()):
            for name, one in arrays.items():
                yield Tree(name, one, marked=len(arrays) > 1)
            return
        yield Tree(TREE, _zipped(arrays))
        return
    array = _array(found)
    # Records may lie within lists: func_adl_uproot makes such of a list in a dictionary.
    names = awkward.fields(array)
    yield Tree(TREE, _zipped({name: array[name] for name in names} or {COLUMN: array}))


def _array(found: Any) -> awkward.Array:
    if hasattr(found, "compute"):
        found = found.compute(scheduler="synchronous")
    if isinstance(found, awkward.Record | str | bytes) or not hasattr(found, "__len__"):
        raise DataError(f"the result is {type(found).__name__}, and must be an array")
    try:
        array = found if isinstance(found, awkward.Array) else awkward.Array(found)
    except Exception as error:
        raise DataError(f"the result is no array: {error}") from None
    return awkward.transform(_known, array)


def _known(layout: Any, **_: Any) -> Any:
    """Give lists that have never held anything the type that ServiceX gives them."""
    return layout.to_NumpyArray(numpy.float64) if layout.is_unknown else None


def _zipped(arrays: dict[str, awkward.Array]) -> awkward.Array:
    lengths = {len(one) for one in arrays.values()}
    if len(lengths) > 1:
        named = ", ".join(f"{name}: {len(one)}" for name, one in arrays.items())
        raise DataError(f"the columns have different lengths: {named}")
    if not arrays:
        raise DataError("the result has no columns")
    return awkward.zip(arrays, depth_limit=1)
