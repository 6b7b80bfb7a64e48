"""Writing what was selected: Parquet, TTrees, RNTuples, through a file descriptor."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import awkward
import numpy
import pyarrow
import pyarrow.parquet
import uproot

from .pieces import DataError, Object, Piece, Tree

GROUP_BYTES = 64 * 2**20
"""Of Arrow data in a row group."""
LISTS = {pyarrow.lib.Type_LIST, pyarrow.lib.Type_LARGE_LIST, pyarrow.lib.Type_FIXED_SIZE_LIST}
MARK = "treename"
"""The column that tells which tree an event of a table of several is of, as ServiceX has it."""
LEVEL = 1
"""Of zstd: three times as fast as 3, and files a few percent larger."""


def written(pieces: Iterator[Piece], form: str, handle: int, tell: Callable[[int], None]) -> int:
    """Write all pieces to a file descriptor; returns the number of events.

    Parameters
    ----------
    tell
        Called with that number now and then.

    Raises
    ------
    DataError
        The format can't hold what there is.
    """
    os.lseek(handle, 0, os.SEEK_SET)
    os.ftruncate(handle, 0)
    with os.fdopen(os.dup(handle), "r+b") as out:
        write = _parquet if form == "parquet" else _root
        return write(pieces, out, tell, form)


def _parquet(pieces: Iterator[Piece], out: BinaryIO, tell: Callable[[int], None], form: str) -> int:
    table = Table(out)
    for piece in pieces:
        if isinstance(piece, Object):
            raise DataError(f"Parquet can't hold the histogram {piece.name!r}: ask for ROOT files")
        table.add(piece)
        tell(table.events)
    table.close()
    return table.events


class Table:
    """A Parquet file; its trees share one table."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._writer: Any = None
        self._schema: Any = None
        self._held: list[pyarrow.Table] = []
        self._first = ""
        self.events = 0

    def add(self, tree: Tree) -> None:
        """Add some events."""
        table = _arrow(tree)
        if self._schema is None:
            self._schema, self._first = table.schema, tree.name
        elif not table.schema.equals(self._schema):
            table = self._as_first(table, tree.name)
        self.events += len(table)
        self._held.append(table)
        if sum(one.nbytes for one in self._held) >= GROUP_BYTES:
            self._flush()

    def _as_first(self, table: pyarrow.Table, name: str) -> pyarrow.Table:
        """Return a part with the types of the first: only what can be missing may differ."""
        try:
            if set(table.column_names) != set(self._schema.names):
                raise KeyError
            return table.select(self._schema.names).cast(self._schema)
        except (KeyError, ValueError, pyarrow.ArrowException):
            raise DataError(
                f"the trees {self._first!r} and {name!r} have different columns: Parquet holds "
                "one table, so ask for ROOT files, or for one tree at a time"
            ) from None

    def _flush(self) -> None:
        if self._writer is None:
            floats, texts = _kinds(self._schema)
            self._writer = pyarrow.parquet.ParquetWriter(
                self._out,
                self._schema,
                compression="zstd",
                compression_level=LEVEL,
                use_dictionary=texts or False,
                use_byte_stream_split=floats or False,
            )
        table = pyarrow.concat_tables(self._held)
        self._held = []
        self._writer.write_table(table, row_group_size=max(1, len(table)))

    def close(self) -> None:
        """Write the rest."""
        if self._schema is None:
            self._schema = pyarrow.schema([])
            self._held = [pyarrow.table({})]
        if self._held or self._writer is None:
            self._flush()
        self._writer.close()


def _arrow(tree: Tree) -> pyarrow.Table:
    array = tree.array
    if not awkward.fields(array):
        raise DataError(f"{tree.name}: no column fits")
    table = awkward.to_arrow_table(array, list_to32=True, extensionarray=False)
    name = pyarrow.array([tree.name]).dictionary_encode()
    if MARK not in table.column_names and tree.marked:
        indices = pyarrow.array(numpy.zeros(len(table), "i4"))
        column = pyarrow.DictionaryArray.from_arrays(indices, name.dictionary)
        field = pyarrow.field(MARK, pyarrow.string(), nullable=False)
        table = table.append_column(field, column.cast(pyarrow.string()))
    return table.replace_schema_metadata(None)


def _kinds(schema: pyarrow.Schema) -> tuple[list[str], list[str]]:
    """Return the paths of columns of floating-point numbers, and of texts."""
    floats, texts = list[str](), list[str]()

    def walk(kind: pyarrow.DataType, path: str) -> None:
        if pyarrow.types.is_floating(kind) and not pyarrow.types.is_float16(kind):
            floats.append(path)
        elif pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind):
            texts.append(path)
        elif (
            pyarrow.types.is_list(kind)
            or pyarrow.types.is_large_list(kind)
            or pyarrow.types.is_fixed_size_list(kind)
        ):
            walk(kind.value_type, f"{path}.list.element")
        elif pyarrow.types.is_struct(kind):
            for field in kind:
                walk(field.type, f"{path}.{field.name}")

    for field in schema:
        walk(field.type, field.name)
    return floats, texts


# ---- ROOT


def _root(pieces: Iterator[Piece], out: BinaryIO, tell: Callable[[int], None], form: str) -> int:
    events, trees = 0, dict[str, Any]()
    # Of what ROOT and uproot have, the quickest by far, at the size of the others.
    with uproot.recreate(out, compression=uproot.ZSTD(LEVEL)) as file:
        for piece in pieces:
            if isinstance(piece, Object):
                file[piece.name] = piece.content
                continue
            if not awkward.fields(piece.array):
                raise DataError(f"{piece.name}: no column fits")
            if form == "root-file":
                _extend_ttree(file, trees, piece)
            else:
                _extend_rntuple(file, trees, piece)
            events += len(piece.array)
            tell(events)
    return events


def _extend_ttree(file: Any, trees: dict[str, Any], piece: Tree) -> None:
    columns = _counters_first(dict(_flat(piece.array)))
    try:
        if piece.name not in trees:
            types = {name: awkward.type(one).content for name, one in columns.items()}
            trees[piece.name] = file.mktree(piece.name, types)
        if len(piece.array):
            trees[piece.name].extend(columns)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise DataError(f"{piece.name}: {_why_not(columns, error)}") from error


def _counters_first(columns: dict[str, Any]) -> dict[str, Any]:
    """Return columns in an order that uproot (5.7) can write: ``nJet`` before a list ``Jet``."""
    counters = [name for name in columns if name[:1] == "n" and name[1:] in columns]
    return {name: columns[name] for name in dict.fromkeys((*counters, *columns))}


def _why_not(columns: dict[str, Any], error: Exception) -> str:
    """Return why a TTree can't hold columns, by the first whose kind it never holds."""
    for name, column in columns.items():
        kind = str(awkward.type(column).content)
        if "?" in kind:
            return (
                f"a TTree can't hold the column {name!r}, in which values may be missing: "
                "fill them (fill_none), or ask for parquet or root-rntuple"
            )
        if kind.count("var *") > 1 or "union" in kind:
            return (
                f"a TTree can't hold the column {name!r}, of type {kind}: "
                "ask for parquet or root-rntuple"
            )
    first = str(error).strip().splitlines()[0]
    return f"a TTree can't hold it: {first}; ask for parquet or root-rntuple"


def _flat(array: Any) -> Iterator[tuple[str, Any]]:
    """Yield columns; of records, each of their fields, as branches."""
    for name in array.fields:
        column = array[name]
        inner = awkward.fields(column)
        if inner:
            yield from ((f"{name}_{one}", column[one]) for one in inner)
        else:
            yield name, awkward.drop_none(column) if _is_optional(column) else column


def _is_optional(column: Any) -> bool:
    return isinstance(awkward.type(column).content, awkward.types.OptionType) and not awkward.any(
        awkward.is_none(column)
    )


def _extend_rntuple(file: Any, trees: dict[str, Any], piece: Tree) -> None:
    if piece.name in trees:
        trees[piece.name].extend(piece.array)
    else:
        trees[piece.name] = file.mkrntuple(piece.name, piece.array)
