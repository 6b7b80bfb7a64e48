"""The ttbar analysis of the notebook on generated events: gateway against FuturesExecutor."""

from __future__ import annotations

import os
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import psutil

from benchmarks.facility import facility, gateway
from benchmarks.report import Report, turns
from casita.data.catalogue import SAMPLES
from casita.data.fetch import fetch_samples
from casita.data.generate import Plan, generate
from casita.demo.job import notebook_file
from casita.demo.ttbar import fileset
from casita.sweep import belongings

WORKERS = 2
FILES = 10
B_TAG = 0.2783
IMPORTS = (
    "import awkward as ak\nimport hist\nfrom coffea import processor\n"
    "from coffea.analysis_tools import PackedSelection\n"
)


def analysis() -> Any:
    """Return an instance of the notebook's own processor, pickled by value like there."""
    notebook = nbformat.read(notebook_file(), as_version=4)
    cell = next(c for c in notebook.cells if "processor" in c.metadata.get("tags", ()))
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(IMPORTS + cell.source, names)
    return names["TopQuarks"](B_TAG)


@contextmanager
def peak_memory(processes: Callable[[], list[psutil.Process]]) -> Iterator[list[float]]:
    """Give a list that holds, at the end, the largest sum of proportional sizes, in GB."""
    done, peak = threading.Event(), [0.0]

    def watch() -> None:
        while not done.wait(0.5):
            peak[0] = max(peak[0], sum(map(_size, processes())) / 1e9)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def _size(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


def measured(
    executor: Any, data: Any, processes: Callable[[], list[psutil.Process]]
) -> tuple[Any, dict[str, float]]:
    """Run the analysis once; returns the histograms and what it took."""
    from coffea import processor
    from coffea.nanoevents import NanoAODSchema

    runner = processor.Runner(
        executor=executor, schema=NanoAODSchema, chunksize=100_000, savemetrics=True
    )
    with peak_memory(processes) as peak:
        began = time.monotonic()
        result, metrics = runner(data, processor_instance=analysis())
        seconds = time.monotonic() - began
    rate = metrics["entries"] / seconds / WORKERS / 1000
    return result, {"s": seconds, "kHz a core": rate, "peak memory, GB": peak[0]}


def run(report: Report, given: Namespace) -> None:
    """Compare rates and memory; the histograms must be equal."""
    from coffea import processor

    directory = Path(given.state).absolute().with_name("data")
    paths = fetch_samples(SAMPLES[:1], directory)
    files = generate(Plan(str(paths[0]), given.events, FILES), f"ttbar-{given.events}", directory)
    data = fileset(str(files[0].parent))
    size = sum(file.stat().st_size for file in files) / 1e9
    found: dict[str, Any] = {}
    with facility(given.state) as running, gateway(running) as door:
        cluster = door.new_cluster()
        cluster.scale(WORKERS)
        with cluster.get_client() as client:
            client.wait_for_workers(WORKERS, timeout=120)

            def casita_side() -> dict[str, float]:
                users = [b.process for b in belongings(running.site.instance) if not b.service]
                executor = processor.DaskExecutor(client=client, status=False)
                found["casita"], values = measured(
                    executor, data, lambda: [*users, psutil.Process()]
                )
                return values

            def stock() -> dict[str, float]:
                executor = processor.FuturesExecutor(workers=WORKERS, status=False)
                me = psutil.Process()
                found["stock"], values = measured(
                    executor, data, lambda: [me, *me.children(recursive=True)]
                )
                assert found["stock"] == found["casita"], "the histograms differ"
                return values

            values = turns(min(3, given.rounds), {"casita": casita_side, "FuturesExecutor": stock})
        cluster.shutdown()
    report.compare(
        f"ttbar on {given.events:,} generated events ({size:.1f} GB, {WORKERS} workers)",
        values,
        f"Equal histograms; peak memory is the sum of proportional sizes of all processes that "
        f"take part (scheduler and workers of the cluster included). {os.cpu_count()} cores.",
    )
