"""Reads of a far file: directly, through an empty cache, and through one that has it.

The servers are started by casita's own launcher with its default settings; the far link is
:mod:`benchmarks.delay_proxy`. Every read is a program of its own, whose imports are done before the
clock starts.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import awkward
import numpy
import psutil
import uproot

from benchmarks.delay_proxy import Link, delay_proxy
from benchmarks.report import Report
from casita.ports import free_ports
from casita_cache.program import find
from casita_cache.servers import Server
from casita_cache.settings import CacheSettings, Origin

PATH = "/store/{}.root"
SMALL, LARGE = "small", "large"
SIZES = {SMALL: (400_000, 5_000, 5), LARGE: (2_000_000, 10_000, 20)}
"""Events, events a basket, branches of a jet."""
LINKS = ((0, None), (20, 100e6), (20, 10e6), (50, 100e6), (50, 10e6))
"""Round trip in ms, bytes a second."""
READER = """
import sys, json, time, resource
import numpy, awkward, uproot, fsspec_xrootd, uproot.source.fsspec
from casita import startup
startup.install()
url, kind = sys.argv[1:]
cpu = lambda: sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
begun, used = time.monotonic(), cpu()
if kind == "whole file":
    from XRootD import client
    file = client.File()
    assert file.open(url)[0].ok
    size, total, offset = file.stat()[1].size, 0, 0
    while offset < size:
        data = file.read(offset, min(8 << 20, size - offset))[1]
        total += sum(data[:: 1 << 16])
        offset += len(data)
else:
    with uproot.open(url) as file:
        tree = file["Events"]
        if kind == "10 chunks":
            parts = tree.iterate(["Jet_pt", "MET_pt"], step_size=tree.num_entries // 10)
            total = sum(float(awkward.sum(one.Jet_pt) + awkward.sum(one.MET_pt)) for one in parts)
        else:
            one = tree.arrays(["Muon_pt", "Muon_eta", "MET_pt"])
            total = float(sum(awkward.sum(one[name]) for name in one.fields))
print(json.dumps([time.monotonic() - begun, cpu() - used, total]))
"""


def write(path: Path, events: int, basket: int, branches: int) -> None:
    """Write a file that looks like NanoAOD: jets, muons, missing energy."""
    rng = numpy.random.default_rng(1)

    def some(count: int) -> numpy.ndarray:
        return rng.standard_normal(count, dtype="f4")

    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        tree = None
        for _ in range(0, events, basket):
            content = {"MET_pt": some(basket)}
            for name, mean, count in (("Muon", 2.0, 4), ("Jet", 5.0, branches)):
                number = rng.poisson(mean, basket)
                fields = ["pt", "eta", "phi", "mass", *(f"x{i}" for i in range(count - 4))]
                content[name] = awkward.zip(
                    {one: awkward.unflatten(some(int(number.sum())), number) for one in fields}
                )
            if tree is None:
                types = {
                    name: awkward.type(one).content if name != "MET_pt" else one.dtype
                    for name, one in content.items()
                }
                tree = file.mktree("Events", types)
            tree.extend(content)


class Bench:
    """A far origin, and a cache here in front of the link to it."""

    def __init__(self, folder: Path, link: Link, cache_port: int, cache: psutil.Process) -> None:
        self.folder = folder
        self.link = link
        self.cache_port = cache_port
        self.cache = cache

    def forget(self) -> None:
        """Empty the cache."""
        from casita_cache.store import Store

        store = Store(self.folder / "cache-far")
        for one in list(store.files()):
            store.evict(one.path)

    def read(self, port: int, name: str, kind: str, *, routed: bool) -> dict[str, float]:
        """Read once in a program of its own; returns what it took."""
        url = f"root://127.0.0.1:{port}/{PATH.format(name)}"
        routes = [{"name": "far", "addresses": [url.partition("//store")[0]], "cache": ""}]
        routes[0]["cache"] = f"root://127.0.0.1:{self.cache_port}"
        environment = {
            **os.environ,
            "XRD_CONNECTIONWINDOW": "5",
            "XRD_REQUESTTIMEOUT": "60",
            **(
                {"CASITA_KERNEL": "casita_cache.kernel", "CASITA_CACHE": json.dumps(routes)}
                if routed
                else {}
            ),
        }
        before, used = self.link.bytes_down, sum(self.cache.cpu_times()[:2])
        done = subprocess.run(
            [sys.executable, "-c", READER, url, kind],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "origin" not in done.stderr, done.stderr  # the warning that the cache failed
        seconds, cpu, total = json.loads(done.stdout)
        time.sleep(0.3)  # what is under way still counts
        return {
            "s": seconds,
            "WAN, MB": (self.link.bytes_down - before) / 1e6,
            "CPU of the reader, s": cpu,
            "CPU of the cache, s": sum(self.cache.cpu_times()[:2]) - used,
            "sum": total,
        }


@contextmanager
def server(given: Server) -> Iterator[psutil.Process]:
    """Run an XRootD server as a facility does."""
    file = given.directory.parent / f"{given.name}.log"
    with file.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "casita_cache.launch"],
            env={**os.environ, "CASITA_CACHE_SERVER": given.model_dump_json()},
            stdout=log,
            stderr=log,
        )
    try:
        for _ in range(100):
            time.sleep(0.1)
            assert process.poll() is None, f"{process.returncode}: {file.read_text()}"
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", given.port)):
                    break
        time.sleep(1)  # the socket is there before the server is
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def bench(folder: Path, rtt: float, rate: float | None, program: str) -> Iterator[Bench]:
    """Give an origin, a link and a cache."""
    ports = free_ports(4)
    defaults = CacheSettings()
    common = {
        "http_port": 0,
        "program": program,
        "account": defaults.account if os.getuid() == 0 else "",
        "host": "127.0.0.1",
        "monitor": ports[3],
    }
    origin = Server(
        name="origin",
        role="origin",
        port=ports[0],
        directory=folder / "origin",
        export=folder / "data",
        prefix="/store",
        **common,
    )
    reports = socket.create_server(("127.0.0.1", ports[3]))  # where somebody would count them
    with reports, server(origin), delay_proxy(ports[0], rtt, rate) as link:
        cache = Server(
            name="cache-far",
            role="cache",
            port=ports[1],
            directory=folder / "cache-far",
            origin=Origin(url=f"root://127.0.0.1:{link.port}"),
            size=defaults.size,
            low=defaults.low,
            block_size=defaults.block_size,
            prefetch=defaults.prefetch,
            memory=defaults.memory,
            **common,
        )
        with server(cache) as process:
            yield Bench(folder, link, ports[1], process)


def compared(one: Bench, name: str, kind: str, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Read directly, cold and warm, in turns; the sums must be equal."""
    values: dict[str, dict[str, list[float]]] = {"direct": {}, "cold": {}, "warm": {}}
    for _ in range(rounds):
        one.forget()
        sums = set()
        for side, found in values.items():
            measured = one.read(one.link.port, name, kind, routed=side != "direct")
            sums.add(measured.pop("sum"))
            for quantity, value in measured.items():
                found.setdefault(quantity, []).append(value)
        assert len(sums) == 1, "the data differ"
    return values


def run(report: Report, given: Namespace) -> None:
    """Compare, over links and ways to read."""
    folder = Path(tempfile.mkdtemp(prefix="casita-bench-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        (folder / "data").mkdir()
        for name, (events, basket, branches) in SIZES.items():
            write(folder / "data" / f"{name}.root", events, basket, branches)
        for one in (folder / "data", *(folder / "data").iterdir()):
            one.chmod(0o755 if one.is_dir() else 0o644)
        _measure(report, folder, min(3, given.rounds), given.xrootd)
    finally:
        shutil.rmtree(folder)


def _measure(report: Report, folder: Path, rounds: int, program: str) -> None:
    version = find(program).spoken
    for rtt, rate in LINKS:
        with bench(folder, rtt, rate, program) as one:
            speed = f"{rate / 1e6:.0f} MB/s" if rate else "no cap"
            plan = [(SMALL, "10 chunks"), (SMALL, "one vector read"), (SMALL, "whole file")]
            if rate is None or (rtt, rate) == (50, 100e6):
                plan += [(LARGE, "10 chunks"), (LARGE, "one vector read")]
            for name, kind in plan:
                size = (folder / "data" / f"{name}.root").stat().st_size / 1e6
                values = compared(one, name, kind, rounds)
                _table(report, f"{kind} of {size:.0f} MB, {rtt} ms, {speed}", values, version)


def _table(
    report: Report, title: str, values: dict[str, dict[str, list[float]]], version: str
) -> None:
    from statistics import median

    took = {side: median(one["s"]) for side, one in values.items()}
    note = (
        f"cold / direct {took['cold'] / took['direct']:.2f}, "
        f"direct / warm {took['direct'] / took['warm']:.1f}. XRootD {version}; equal sums."
    )
    report.compare(title, values, note)
