"""Columns of generated NanoAOD: delivered, against reading them with uproot.

The facility is a real one; both sides give equal sums, which is checked. Numbers of one core: one
worker against one process.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import awkward
import numpy
import psutil
import uproot

from benchmarks.report import Report
from casita.client import connection
from casita.testing import running_facility
from casita_columns.client import Columns
from casita_columns.delivery import Follower
from casita_columns.display import Nothing

COLUMNS = ["Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass", "Jet_btag", "Muon_pt", "MET_pt"]
"""What the analysis of top quarks reads, of about 60 branches."""
EVENTS, FILES, WIDE = 300_000, 4, 50
CUT = "(nJet >= 4) & (MET_pt > 20)"
PLAIN = """
import json, sys, time
import awkward, numpy, pyarrow, pyarrow.parquet, uproot
columns, cut, files, folder = json.loads(sys.argv[1])
pyarrow.set_cpu_count(1)
begun = time.monotonic()
total, events, size = 0.0, 0, 0
for path in files:
    with uproot.open(path) as file:
        tree = file["Events"]
        for part in tree.iterate(columns, cut=cut or None, step_size="50 MB"):
            total += sum(float(awkward.sum(part[name], axis=None)) for name in part.fields)
            if folder:
                table = awkward.to_arrow_table(part, extensionarray=False, list_to32=True)
                path = f"{folder}/{events}.parquet"
                pyarrow.parquet.write_table(table, path, compression="zstd", use_dictionary=False)
        events += tree.num_entries
        size += sum(tree[name].compressed_bytes for name in columns)
print(json.dumps([time.monotonic() - begun, total, events, size]))
"""


def write(path: Path, seed: int) -> None:
    """Write a wide file: jets, muons, and many branches that nobody asks for."""
    rng = numpy.random.default_rng(seed)
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as out:
        tree = None
        for _ in range(0, EVENTS, 50_000):
            part = _part(rng, 50_000)
            if tree is None:
                types = {name: awkward.type(one).content for name, one in part.items()}
                tree = out.mktree("Events", types)
            tree.extend(part)


def _part(rng: numpy.random.Generator, events: int) -> dict[str, awkward.Array]:
    jets, muons = rng.poisson(4, events), rng.poisson(1, events)

    def some(counts: numpy.ndarray) -> awkward.Array:
        values = rng.exponential(40, counts.sum()).astype("f4")
        # Detectors give some twelve bits; random ones would not compress at all.
        return awkward.unflatten((values.view("i4") & ~0x7FF).view("f4"), counts)

    part = {name: some(jets) for name in COLUMNS if name.startswith("Jet")}
    part |= {"Muon_pt": some(muons)}
    part |= {f"Jet_other{number}": some(jets) for number in range(WIDE)}
    part |= {"nJet": awkward.Array(jets.astype("i4"))}
    part["MET_pt"] = awkward.Array(rng.exponential(40, events).astype("f4"))
    return part


@contextmanager
def facility(folder: Path, workers: int) -> Iterator[tuple[Any, Any]]:
    """Give (facility, session) with so many workers."""
    folder.mkdir()
    (folder / "casita.toml").write_text(f"[backends.columns]\nworkers = {workers}\nreuse = false\n")
    with (
        running_facility(folder / "state", "--config", folder / "casita.toml") as running,
        connection(running.state).http() as http,
    ):
        yield running, http


def body(files: list[str], cut: str | None = CUT, form: str = "parquet") -> dict[str, Any]:
    """Return a request."""
    query = {"treename": "Events", "filter_name": COLUMNS, "cut": cut}
    if cut:
        query |= {"filter_name": None, "expressions": COLUMNS}
    return {
        "title": "bench",
        "file-list": files,
        "selection": json.dumps([query]),
        "codegen": "uproot-raw",
        "result-destination": "object-store",
        "result-format": form,
    }


def done(http: Any, content: dict[str, Any]) -> tuple[float, Any]:
    """Return (seconds until nothing more comes, the request), without fetching its files."""
    columns, begun = Columns(http), time.monotonic()
    request = columns.submit(content)
    for one in columns.follow(request.id):
        request = one
    assert (request.state, request.failed) == ("Complete", 0), request
    return time.monotonic() - begun, request


def delivered(http: Any, content: dict[str, Any], folder: Path) -> tuple[float, Any]:
    """Return (seconds until the files are here, what came)."""
    begun = time.monotonic()
    request = Columns(http).submit(content)
    found = Follower(http, request, folder, Nothing()).run()
    return time.monotonic() - begun, found


def plain(
    files: list[str], cut: str | None, folder: Path | None = None
) -> tuple[float, float, int, int]:
    """Return (seconds, sum, events, compressed bytes) of reading the columns with uproot.

    With a folder, they are written there as Parquet, too.
    """
    given = [COLUMNS, cut, files, str(folder) if folder else ""]
    words = [sys.executable, "-c", PLAIN, json.dumps(given)]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    seconds, total, events, size = json.loads(printed)
    return seconds, total, events, size


def median(times: int, ask: Callable[[], float]) -> float:
    """Return the median of so many times."""
    return statistics.median(ask() for _ in range(times))


def run(report: Report, given: Namespace) -> None:
    """Measure all of it."""
    with tempfile.TemporaryDirectory(prefix="casita-bench-") as name:
        folder = Path(name)
        files = [str(folder / f"wide_{number}.root") for number in range(FILES)]
        for seed, path in enumerate(files):
            write(Path(path), seed)
        with facility(folder / "one", 1) as (running, http):
            _throughput(report, http, files, folder, given.rounds)
            _small(report, running, http, folder, given.rounds)
        with facility(folder / "more", os.cpu_count() or 2) as (running, http):
            _scaling(report, http, files, given.rounds)
            _users(report, running, http, folder)


def _throughput(report: Report, http: Any, files: list[str], folder: Path, rounds: int) -> None:
    rows = []
    for title, cut in (("all events", None), ("a cut", CUT)):
        theirs, written, ours = [], [], []
        (folder / "own").mkdir(exist_ok=True)
        for _ in range(rounds):
            seconds, total, events, size = plain(files, cut)
            theirs.append(seconds)
            written.append(plain(files, cut, folder / "own")[0])
            taken, request = done(http, body(files, cut))
            ours.append(taken)
        found = Follower(http, request, folder / "got", Nothing()).run()
        got = sum(float(awkward.sum(found.awkward()[one], axis=None)) for one in COLUMNS)
        assert numpy.isclose(got, total, rtol=1e-4), (got, total)
        one, two = statistics.median(theirs), statistics.median(ours)
        again = median(rounds, lambda found=found: _timed(lambda: found.awkward()))
        passes = (two - 0) / max(1e-9, one - again)
        rows.append(
            [
                title,
                f"{events / one / 1e3:.0f} kHz, {size / one / 1e6:.0f} MB/s",
                f"{events / two / 1e3:.0f} kHz, {size / two / 1e6:.0f} MB/s",
                f"{one / two:.2f}",
                f"{statistics.median(written) / two:.2f}",
                f"{found.size / 1e6:.1f} of {sum(map(os.path.getsize, files)) / 1e6:.0f} MB",
                f"{passes:.1f}",
            ]
        )
    report.table(
        "Columns: one worker against one process of uproot (medians)",
        [
            "events",
            "uproot",
            "delivered",
            "ratio",
            "to uproot that writes",
            "result",
            "passes to even",
        ],
        rows,
    )


def _timed(what: Callable[[], Any]) -> float:
    begun = time.monotonic()
    what()
    return time.monotonic() - begun


def _small(report: Report, running: Any, http: Any, folder: Path, rounds: int) -> None:
    path = folder / "small.root"
    with uproot.recreate(path) as out:
        out.mktree("Events", {"MET_pt": "f4"}).extend({"MET_pt": numpy.arange(1000, dtype="f4")})
    number = iter(range(10_000))

    def tiny() -> float:
        query = [{"treename": "Events", "cut": f"MET_pt > {next(number)}"}]
        return delivered(
            http, body([str(path)]) | {"selection": json.dumps(query)}, folder / "tiny"
        )[0]

    tiny()
    fresh = median(rounds, tiny)
    many = [f"root://far.example.org//store/{index}.root" for index in range(100_000)]
    upstream = body(many) | {"codegen": "uproot-raw"}
    begun = time.monotonic()
    request = Columns(http).submit(upstream)
    listed = time.monotonic() - begun
    Columns(http).cancel(request.id)
    Columns(http).delete(request.id)
    report.table(
        "Columns: small things (medians)",
        ["what", "seconds"],
        [
            ["a query of 1000 events, new, until its file is here", f"{fresh:.2f}"],
            ["a list of 100,000 files, until it is taken in", f"{listed:.2f}"],
        ],
    )
    _cached(report, folder, path, rounds)


def _cached(report: Report, folder: Path, path: Path, rounds: int) -> None:
    where = folder / "reuse"
    with running_facility(where / "state") as running, connection(running.state).http() as http:
        delivered(http, body([str(path)], None), folder / "tiny")
        again = median(
            rounds, lambda: delivered(http, body([str(path)], None), folder / "again")[0]
        )
    report.table(
        "Columns: the same query again (median)",
        ["what", "seconds"],
        [["until its file is here", f"{again:.3f}"]],
    )


def _scaling(report: Report, http: Any, files: list[str], rounds: int) -> None:
    seconds = median(rounds, lambda: done(http, body(files))[0])
    events = EVENTS * len(files)
    report.table(
        "Columns: as many workers as CPUs (median)",
        ["workers", "rate"],
        [[str(os.cpu_count()), f"{events / seconds / 1e3:.0f} kHz"]],
    )


def _users(report: Report, running: Any, http: Any, folder: Path) -> None:
    """Let many ask at once, and look at the memory of the service meanwhile."""
    listed = {one["name"]: one for one in running.status()["processes"]}
    service = psutil.Process(listed["columns"]["pid"])
    rows, path = [], folder / "small.root"
    for count in (1, 10, 50):
        times: list[float] = []

        def ask(index: int, count: int = count, times: list[float] = times) -> None:
            cut = [{"treename": "Events", "cut": f"MET_pt > {count * 1000 + index}"}]
            content = body([str(path)]) | {"selection": json.dumps(cut)}
            with connection(running.state).http() as own:
                times.append(done(own, content)[0])

        threads = [threading.Thread(target=ask, args=(index,)) for index in range(count)]
        begun = time.monotonic()
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        rows.append(
            [
                str(count),
                f"{time.monotonic() - begun:.1f}",
                f"{statistics.median(times):.1f}",
                f"{service.memory_info().rss / 2**20:.0f}",
            ]
        )
    report.table(
        "Columns: different tiny queries at the same time",
        ["at once", "all done, s", "median of one, s", "service, MiB"],
        rows,
    )
