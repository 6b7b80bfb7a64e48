"""The program that runs users' code, spoken to by its own protocol: sockets and open files."""

import base64
import contextlib
import json
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import awkward
import numpy
import pytest
import uproot

ROOT = Path(__file__).parents[3]
START = ROOT / "extensions" / "casita_columns" / "transform" / "start.py"
APART = Path(sys.prefix) / "transform" / "bin" / "python"
PYTHON = APART if APART.exists() else Path(sys.executable)
MEMORY, CPU, OUTPUT = 6 * 2**30, 300, 2**30
MESSAGE_BYTES = 64 * 1024
SECONDS = 120
FAILED = 0xFFFFFFFF


class Failed(Exception):
    """The program's ``error``."""

    def __init__(self, told):
        super().__init__(told["message"])
        self.kind, self.message = told["kind"], told["message"]
        self.lines, self.retry = told["lines"], told["retry"]


class Program:
    """One process; it does one thing after the other."""

    def __init__(self, memory=MEMORY):
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours.settimeout(SECONDS)
        limits = [f"--memory={memory}", f"--cpu={CPU}", f"--output={OUTPUT}"]
        with theirs:
            self.process = subprocess.Popen(
                [PYTHON, "-I", START, *limits, f"--control={theirs.fileno()}"],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "HOME": "/nowhere", "LANG": "C.UTF-8"},
            )
        self.progress = []
        self.kept = []  # outputs live as long as this

    def ask(self, message, *handles):
        """Send a message and return the answer to it."""
        socket.send_fds(self.ours, [json.dumps(message).encode()], handles)
        while True:
            received = self.ours.recv(MESSAGE_BYTES)
            if not received:
                raise EOFError(f"the program ended with status {self.process.wait(10)}")
            answer = json.loads(received)
            self.cpu = answer.pop("cpu", None)
            if "progress" in answer:
                self.progress.append(answer["progress"])
                continue
            if "error" in answer:
                raise Failed(answer["error"])
            return answer

    def load(self, codegen, text):
        with tempfile.TemporaryFile() as file:
            file.write(text.encode())
            file.seek(0)
            assert self.ask({"do": "load", "codegen": codegen}, file.fileno()) == {"loaded": True}

    def transform(self, path, form="parquet"):
        """Return (done, output file)."""
        with Path(path).open("rb") as file:
            given = {"kind": "file", "name": Path(path).name}
            return self._transform(given, form, file.fileno())

    def transform_stream(self, served, form="parquet"):
        with served.handle() as handle:
            given = {"kind": "stream", "name": "far.root", "size": len(served.data)}
            return self._transform(given, form, handle)

    def _transform(self, given, form, handle):
        self.progress.clear()
        suffix = ".parquet" if form == "parquet" else ".root"
        out = tempfile.NamedTemporaryFile(suffix=suffix)  # noqa: SIM115
        out.write(b"what was there before" * 100)
        out.flush()
        self.kept.append(out)
        message = {"do": "transform", "format": form, "input": given}
        return self.ask(message, handle, out.fileno())["done"], out

    def raw(self, path, *items, form="parquet"):
        """Run a query of uproot-raw; return (done, array of the only tree)."""
        self.load("uproot-raw", json.dumps(items))
        done, out = self.transform(path, form)
        return done, content(out)

    def python(self, path, source, form="parquet"):
        self.load("python", base64.b64encode(source.encode()).decode())
        done, out = self.transform(path, form)
        return done, content(out, "servicex")

    def close(self):
        self.ours.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        self.process.wait()
        for one in self.kept:
            one.close()


class Served:
    """A file that is given by ranges, from a thread, as a worker gives it."""

    def __init__(self, data, fail_after=None):
        self.data = data
        self.fail_after = fail_after
        self.requests = []
        self.most = 0  # that are in one request

    @contextlib.contextmanager
    def handle(self):
        ours, theirs = socket.socketpair()
        thread = threading.Thread(target=self._serve, args=(ours,))
        thread.start()
        try:
            yield theirs.fileno()
        finally:
            theirs.close()
            thread.join(30)

    def _serve(self, ours):
        with ours, ours.makefile("rwb") as both:
            while head := both.read(4):
                count = struct.unpack("!I", head)[0]
                asked = list(struct.iter_unpack("!QI", both.read(12 * count)))
                self.requests.append(asked)
                if self.fail_after is not None and len(self.requests) > self.fail_after:
                    text = b"[ERROR] Operation expired"
                    both.write(struct.pack("!II", FAILED, len(text)) + text)
                else:
                    for offset, length in asked:
                        part = self.data[offset : offset + length]
                        both.write(struct.pack("!I", len(part)) + part)
                both.flush()


def content(out, tree=None):
    """Return what a file holds, Parquet or ROOT, as an array."""
    if out.name.endswith(".parquet"):
        return awkward.from_parquet(out.name)
    with uproot.open(out.name) as file:
        return file[tree or file.keys(cycle=False)[0]].arrays()


def equal(got, want, **more):
    """Whether two columns hold the same, list by list and event by event."""
    got, want = awkward.Array(got), awkward.Array(want)
    return len(got) == len(want) and awkward.almost_equal(
        awkward.drop_none(got) if "?" in str(got.type) else got,
        awkward.drop_none(want) if "?" in str(want.type) else want,
        rtol=1e-5,
        dtype_exact=False,
        check_parameters=False,
        check_regular=False,
        **more,
    )


def jagged(rng, counts, draw):
    return awkward.unflatten(draw(counts.sum()).astype("f4"), counts)


@pytest.fixture(scope="session")
def events():
    """Events like NanoAOD's: jagged muons and jets, and columns of one value an event."""
    rng = numpy.random.default_rng(11)
    muons, jets = rng.integers(0, 4, 700), rng.integers(0, 7, 700)
    return awkward.zip(
        {
            "Muon_pt": jagged(rng, muons, lambda n: rng.exponential(30, n)),
            "Muon_eta": jagged(rng, muons, lambda n: rng.normal(0, 1.5, n)),
            "Muon_charge": awkward.unflatten(rng.choice([-1, 1], muons.sum()).astype("i4"), muons),
            "Jet_pt": jagged(rng, jets, lambda n: rng.exponential(50, n)),
            "Jet_btag": jagged(rng, jets, lambda n: rng.random(n)),
            "MET_pt": rng.exponential(40, 700).astype("f4"),
            "run": numpy.arange(700, dtype="i4") // 100,
            "HLT_Mu": rng.random(700) > 0.5,
        },
        depth_limit=1,
    )


@pytest.fixture(scope="session")
def path(events, tmp_path_factory):
    path = tmp_path_factory.mktemp("events") / "nano.root"
    with uproot.recreate(path) as out:
        types = {name: events[name].type.content for name in events.fields}
        out.mktree("Events", types).extend({name: events[name] for name in events.fields})
        out.mktree("Runs", {"run": "i4"}).extend({"run": numpy.array([0, 1], "i4")})
        out["sums/weights"] = numpy.histogram(numpy.arange(10), bins=5)
        out["cutflow_1"] = numpy.histogram(numpy.arange(4), bins=4)
        out["cutflow_2"] = numpy.histogram(numpy.arange(8), bins=4)
    return path


@pytest.fixture(scope="module")
def program():
    one = Program()
    yield one
    one.close()
