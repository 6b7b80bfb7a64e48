"""Writes generated datasets: ROOT (zstd) or Parquet, several files at a time.

Each file has a seed of its own, derived from the dataset's, so the same call gives the same events
whatever the number of processes, and a broken run goes on with the files that are missing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from multiprocessing import Manager, get_context
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any, Literal

from casita.data.catalogue import GENERATED, MANIFEST
from casita.data.inputs import TREE
from casita.errors import DataError
from casita.files import private_directory, read_json, write_json

if TYPE_CHECKING:
    from casita.data.amplify import Block, Source

BLOCK = 50_000
"""Events written at once: a basket, or a row group."""
ZSTD_LEVEL = 5

Tick = Callable[[int], None]
"""Receives the number of events just written."""


@dataclass(frozen=True)
class Plan:
    """What is to be made; kept beside the files as ``dataset.json``."""

    source: str
    """Path of the real file."""
    events: int
    """In all files together."""
    files: int
    format: Literal["root", "parquet"] = "root"
    seed: int = 1
    branches: str = ""
    """Regular expression: only branches whose whole name matches; "" takes all."""

    @property
    def names(self) -> list[str]:
        """Names of the files."""
        return [f"events_{number:04d}.{self.format}" for number in range(self.files)]

    def share(self, number: int) -> int:
        """Return how many events file ``number`` has."""
        return self.events // self.files + (number < self.events % self.files)

    def manifest(self) -> dict[str, Any]:
        """Return what ``dataset.json`` holds."""
        about = asdict(self) | {"files": self.names, "source_name": Path(self.source).stem}
        del about["source"]
        return about


def generate(
    plan: Plan, name: str, directory: Path, tick: Tick = lambda new: None, processes: int = 0
) -> list[Path]:
    """Make a dataset below ``directory/generated/name`` and return its files.

    Parameters
    ----------
    processes
        How many work at a time; 0 takes a process for each core.

    Raises
    ------
    DataError
        The name is taken by other parameters, the numbers make no sense, or the disk is full.
    """
    if not 1 <= plan.files <= plan.events:
        raise DataError(
            f"{plan.events} events in {plan.files} files", hint="at least one event a file"
        )
    folder = _folder(plan, name, directory)
    todo = [number for number, file in enumerate(plan.names) if not (folder / file).exists()]
    done = plan.events - sum(plan.share(number) for number in todo)
    if done:
        tick(done)
    if todo:
        _all_files(plan, folder, todo, tick, processes or len(os.sched_getaffinity(0)))
    return [folder / file for file in plan.names]


def _folder(plan: Plan, name: str, directory: Path) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise DataError(f"{name!r} is no name of a dataset", hint="letters, digits, - and _")
    folder = directory / GENERATED / name
    for one in (directory, folder.parent, folder):
        private_directory(one)
    there = read_json(folder / MANIFEST)
    if there is None:
        write_json(folder / MANIFEST, plan.manifest())
    elif there != plan.manifest():
        raise DataError(
            f"{name!r} was generated with other parameters",
            hint=f"choose another name, or `casita data remove {name}`",
        )
    return folder


def _all_files(plan: Plan, folder: Path, todo: list[int], tick: Tick, processes: int) -> None:
    # Threads of numerical libraries don't survive a fork: start fresh interpreters.
    context = get_context("spawn")
    with (
        Manager() as manager,
        ProcessPoolExecutor(min(processes, len(todo)), mp_context=context) as pool,
    ):
        written = manager.Queue()
        waiting = {pool.submit(write_file, plan, n, folder, written.put) for n in todo}
        try:
            while waiting:
                finished, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                for new in _drained(written):
                    tick(new)
                for one in finished:
                    one.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _drained(queue: Any) -> Iterator[int]:
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return


def write_file(plan: Plan, number: int, folder: Path, report: Tick) -> None:
    """Write file ``number`` of a plan; it gets its final name when it is whole."""
    import numpy as np

    from casita.data.amplify import amplify

    target = folder / plan.names[number]
    part = folder / f".{number:04d}.part.{plan.format}"
    part.unlink(missing_ok=True)
    random = np.random.default_rng(np.random.SeedSequence(plan.seed, spawn_key=(number,)))
    source = read_source(Path(plan.source), plan.branches)
    sizes = [min(BLOCK, plan.share(number) - at) for at in range(0, plan.share(number), BLOCK)]
    blocks = (amplify(source, size, random) for size in sizes)
    try:
        (_write_root if plan.format == "root" else _write_parquet)(part, source, blocks, report)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(f"{part}: {error}", hint="free some space; then go on") from error
    part.replace(target)


def read_source(path: Path, branches: str = "") -> Source:
    """Return the events of a NanoAOD file, without its counters, which follow from the lists.

    Raises
    ------
    DataError
        No branch matches.
    """
    import awkward as ak
    import numpy as np
    import uproot

    from casita.data.amplify import Source, column

    with uproot.open(path) as file:
        chosen = [one for one in file[TREE].branches if re.fullmatch(branches or ".*", one.name)]
        arrays = {branch.name: branch.array() for branch in chosen}
    lists = {name for name, array in arrays.items() if array.ndim == 2}
    collections = {name: name.partition("_")[0] for name in lists}
    counters = {f"n{one}" for one in (*collections, *collections.values())}
    columns, counts = [], {}
    for name, array in arrays.items():
        if name in lists:
            counts[collections[name]] = np.asarray(ak.num(array))
            columns.append(column(name, collections[name], np.asarray(ak.flatten(array))))
        elif name not in counters:
            columns.append(column(name, "", np.asarray(array)))
    if not columns:
        raise DataError(f"{path}: no branch matches {branches!r}")
    return Source(len(array), tuple(columns), counts)


def _nested(source: Source, block: Block) -> dict[str, Any]:
    """Return what uproot writes: an array a scalar branch, a record list a collection."""
    import awkward as ak

    content: dict[str, Any] = {}
    for one in source.columns:
        if not one.collection:
            content[one.name] = block.flat[one.name]
            continue
        listed = ak.unflatten(block.flat[one.name], block.counts[one.collection])
        if one.field:
            content.setdefault(one.collection, {})[one.field] = listed
        else:
            content[one.collection] = listed
    return {
        name: ak.zip(value, depth_limit=2) if isinstance(value, dict) else value
        for name, value in content.items()
    }


def _write_root(part: Path, source: Source, blocks: Iterator[Block], report: Tick) -> None:
    import numpy as np
    import uproot

    with uproot.recreate(part, compression=uproot.ZSTD(ZSTD_LEVEL)) as file:
        for block in blocks:
            content = _nested(source, block)
            if TREE not in file:
                types = {
                    name: value.dtype if isinstance(value, np.ndarray) else value.type.content
                    for name, value in content.items()
                }
                file.mktree(TREE, types)
            file[TREE].extend(content)
            report(len(next(iter(block.counts.values()), next(iter(block.flat.values())))))


def _write_parquet(part: Path, source: Source, blocks: Iterator[Block], report: Tick) -> None:
    """Write flat NanoAOD columns with their counters, as coffea's NanoAODSchema wants them.

    Floats are split by byte and the rest gets dictionaries: the smallest files of those measured.
    """
    import awkward as ak
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    for block in blocks:
        columns: dict[str, Any] = {f"n{name}": pa.array(n) for name, n in block.counts.items()}
        for one in source.columns:
            values = block.flat[one.name]
            if one.collection:
                listed = ak.unflatten(values, block.counts[one.collection])
                columns[one.name] = ak.to_arrow(listed, extensionarray=False, list_to32=True)
            else:
                columns[one.name] = pa.array(values)
        table = pa.table(columns)
        if writer is None:
            writer = pq.ParquetWriter(part, table.schema, **_encodings(source))
        writer.write_table(table, row_group_size=BLOCK)
        report(table.num_rows)
    if writer is not None:
        writer.close()


def _encodings(source: Source) -> dict[str, Any]:
    floats: list[str] = []
    others = [f"n{name}" for name in source.counts]
    for one in source.columns:
        leaf = f"{one.name}.list.element" if one.collection else one.name
        (floats if one.values.dtype.kind == "f" else others).append(leaf)
    return {"compression": "zstd", "use_byte_stream_split": floats, "use_dictionary": others}
