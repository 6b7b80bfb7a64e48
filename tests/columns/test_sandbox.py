"""Users' code in its sandbox: what it can't do, and what happens when it tries."""

import base64
import json
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from tests.columns.conftest import nano

from casita_columns.workers.child import Child, ChildError, text_file
from casita_columns.workers.sandbox import (
    Limits,
    Sandbox,
    has_filter,
    interpreter,
    missing,
    sandbox,
)
from casita_columns.workers.worker import Worker

PYTHON = interpreter(None, Path(sys.prefix))
LIMITS = Limits(memory=3 * 2**30, cpu=20, output=8 * 2**20, seconds=8)


@pytest.fixture(scope="module")
def box():
    if trouble := missing(PYTHON):
        pytest.skip(trouble)
    return sandbox(PYTHON, "bubblewrap")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return nano(tmp_path_factory.mktemp("sandbox") / "a.root", 1)


class Run:
    """Runs a function of the user's on a file, and returns what its array says."""

    def __init__(self, box, source, limits=LIMITS):
        self.box, self.source, self.limits = box, source, limits

    def __call__(self, body, **more):
        child = Child(self.box, self.limits)
        try:
            return self.on(child, body, **more)
        finally:
            child.kill()

    def on(self, child, body, form="parquet"):
        lines = "\n".join(f"    {line}" for line in body.splitlines())
        code = f"import os, numpy, awkward\ndef run_query(path=None):\n{lines}\n"
        with text_file(base64.b64encode(code.encode()).decode()) as selection:
            child.load("python", selection)
        with tempfile.TemporaryFile() as out:
            handle = os.open(self.source, os.O_RDONLY)
            try:
                given = {"kind": "file", "name": "a.root"}
                child.transform(given, form, [handle, out.fileno()], lambda _: None)
            finally:
                os.close(handle)
            if form != "parquet":
                return out.read()
            import pyarrow.parquet

            out.seek(0)
            return pyarrow.parquet.read_table(out).to_pylist()


@pytest.fixture
def run(box, source):
    return Run(box, source)


def tried(expression):
    """Code that says what an attempt came to."""
    return f"""
try:
    found = {expression}
    said = "done: " + repr(found)[:200]
except BaseException as error:
    said = type(error).__name__ + ": " + str(error)
return awkward.Array([{{"said": said}}])
"""


def said(run, expression):
    return run(tried(expression))[0]["said"]


@pytest.mark.parametrize(
    "expression",
    [
        "os.fork()",
        "__import__('subprocess').run(['/bin/true'])",
        "os.execv('/bin/true', ['true'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "__import__('socket').create_connection(('127.0.0.1', 22), 1)",
        "__import__('socket').create_server(('127.0.0.1', 0))",
        "__import__('socket').socket(1, 1).connect('/run/dbus/system_bus_socket')",
        "open('/etc/passwd').read()",
        "os.listdir('/home')",
        "os.listdir('/var')",
        "open('/usr/evil', 'w')",
        "open('/evil', 'w')",
        "os.kill(1, 9)",
        "os.setuid(0) or open('/etc/shadow')",
        "os.unshare(0x10000000) if hasattr(os, 'unshare') else 1 / 0",
        "__import__('resource').setrlimit(9, (-1, -1))",
        "os.chroot('/tmp')",
        "os.mknod('/tmp/dev', 0o60666, 2049)",
    ],
)
def test_what_users_code_may_not_do(run, expression):
    assert not said(run, expression).startswith("done"), said(run, expression)


def test_it_finds_nothing_of_the_facility_in_its_environment(run):
    found = said(run, "dict(os.environ)")
    assert "CASITA" not in found
    assert "TOKEN" not in found
    assert said(run, "os.listdir('/proc')").count("'") < 200  # its own processes only
    facility = Path(__file__).parents[2] / "facility"
    assert "FileNotFoundError" in said(run, f"os.listdir({str(facility)!r})")


def test_it_writes_nothing_but_its_result(run, source):
    """Not even through what it has open: the input could be opened anew."""
    before = source.read_bytes()
    for number in range(3, 12):
        for mode in ("r+b", "wb", "ab"):
            told = said(run, f"open('/proc/self/fd/{number}', {mode!r}).write(b'x')")
            assert not told.startswith("done"), told
    assert source.read_bytes() == before
    assert "PermissionError" in said(run, "open('/tmp/own', 'w').write('x')")


def test_it_may_use_threads(run):
    body = """
import concurrent.futures
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    found = sum(pool.map(len, ["a", "bb", "ccc"]))
return awkward.Array([{"said": found}])
"""
    assert run(body) == [{"said": 6}]


def failure(run, body, **more):
    with pytest.raises(ChildError) as caught:
        run(body, **more)
    return caught.value


def test_a_hundred_gigabytes(run):
    error = failure(run, "return numpy.ones(100 * 2**27)")
    assert error.kind == "code"
    assert "memory" in error.message


def test_a_loop_without_end(run):
    run.limits = Limits(3 * 2**30, 60, 2**20, 2)
    began = time.monotonic()
    error = failure(run, "while True: pass")
    assert error.kind == "limit"
    assert "longer than 2 s" in error.message
    assert time.monotonic() - began < 15


def test_more_cpu_time_than_it_may_have(run):
    run.limits = Limits(3 * 2**30, 3, 2**20, 60)
    error = failure(run, "while True: pass")
    assert "CPU time" in error.message or "ended its process" in error.message


BURN = """
import time
begun = time.process_time()
while time.process_time() < begun + {seconds}:
    pass
return awkward.Array([{{"said": 1}}])
"""


def test_doctor_can_tell_who_refuses_system_calls(box, tmp_path):
    assert has_filter(PYTHON)
    assert not has_filter(tmp_path / "python")


def test_cpu_time_is_a_file_s_own(box, source):
    """However much those before it took, in the same process or another."""
    code = "import awkward\ndef run_query(path=None):" + BURN.format(seconds=2).replace(
        "\n", "\n    "
    )
    task = {"codegen": "python", "key": "burn", "format": "parquet", "replicas": [str(source)]}
    worker = Worker(box, Limits(3 * 2**30, 3, 2**20, 60), 60)
    try:
        with text_file(base64.b64encode(code.encode()).decode()) as selection:
            for _ in range(4):
                with tempfile.TemporaryFile() as out:
                    done = worker.run(task, [selection, out.fileno()], lambda _: None)["done"]
                    assert done["events"] == 1
    finally:
        worker.end_children()


def test_cpu_time_ends_for_who_sets_limits_anew(run):
    run.limits = Limits(3 * 2**30, 2, 2**20, 60)
    body = "import resource, signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\n"
    body += "resource.setrlimit(0, (resource.getrlimit(0)[1],) * 2)\nwhile True: pass"
    began = time.monotonic()
    assert failure(run, body).kind == "limit"
    assert time.monotonic() - began < 45


def test_whatever_it_says_is_neither_kept_nor_waited_for(run):
    """First and last lines are, of half a gigabyte."""
    assert said(run, "__import__('stat').S_ISFIFO(os.fstat(2).st_mode)") == "done: True"
    body = """
os.write(2, b"the first\\n")
line = b"x" * 1023 + b"\\n"
for _ in range(512):
    os.write(2, line * 1024)
os.write(2, b"the last\\n")
os._exit(3)
"""
    error = failure(run, body)
    assert error.message == "users' code ended its process with status 3: the last"
    assert error.lines[0] == "the first"
    assert sum(map(len, error.lines)) < 10_000


@pytest.mark.skipif(os.getuid() == 0, reason="root may start any number; tests/multiuser has it")
def test_threads_are_counted(run):
    body = """
import threading, time
for _ in range(1000):
    threading.Thread(target=time.sleep, args=(5,), daemon=True).start()
"""
    assert "can't start new thread" in failure(run, body).message


def test_an_output_that_is_too_large(run):
    error = failure(run, "return numpy.random.default_rng(1).random(4_000_000)")
    assert error.kind == "output"
    assert "File too large" in error.message


@pytest.mark.parametrize(
    "body", ["os._exit(3)", "os.abort()", "import ctypes; ctypes.string_at(0)"]
)
def test_it_ends_itself(run, body):
    error = failure(run, body)
    assert error.kind == "limit"
    assert "ended its process" in error.message or "closed" in error.message


@pytest.mark.parametrize("junk", ["b'junk'", "b'[]'", "b'{\"error\": 7}'", "b'[' * 60000", "b''"])
def test_it_answers_in_our_name(run, junk):
    body = f"""
import socket
for number in range(3, 64):
    try:
        one = socket.socket(fileno=os.dup(number))
        one.send({junk})
    except OSError:
        pass
return awkward.Array([{{"said": 1}}])
"""
    with suppress(ChildError):  # no other error, and none of the service's
        run(body)


def test_what_it_says_of_its_failure_is_told(run):
    error = failure(run, "x = 1\nraise KeyError('the muons are gone')")
    assert error.message.startswith("KeyError: 'the muons are gone'")
    assert any("line 4, in run_query" in line for line in error.lines)
    assert not error.retry


def test_it_can_go_on_after_a_failure(run, box):
    child = Child(box, LIMITS)
    with pytest.raises(ChildError):
        run.on(child, "1 / 0")
    assert run.on(child, "return awkward.Array([{'said': 2}])") == [{"said": 2}]
    child.kill()


@pytest.mark.parametrize(
    "body",
    [
        "return None",
        "return 'text'",
        "return {}",
        "return object()",
        "return {'a': [1], 'b': [1, 2]}",
    ],
)
def test_results_that_are_none(run, body):
    assert failure(run, body).kind in ("data", "code")


def test_nothing_of_it_is_left(run, box):
    child = Child(box, LIMITS)
    run.on(child, "return awkward.Array([{'said': 2}])")
    mine = psutil.Process(child._process.pid)
    family = [mine, *mine.children(recursive=True)]
    child.kill()
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []


def test_without_walls_the_limits_hold(source):
    run = Run(Sandbox(PYTHON, confined=False), source)
    assert "PermissionError" in said(run, "os.fork()")
    assert "PermissionError" in said(
        run, "__import__('socket').create_connection(('127.0.0.1', 22), 1)"
    )
    assert "memory" in failure(run, "return numpy.ones(100 * 2**27)").message
    assert "CASITA" not in said(run, "dict(os.environ)")


def test_raw_cuts_are_code_and_run_there_too(box, source):
    cut = "[c for c in ().__class__.__base__.__subclasses__()][0] or MET_pt > 0"
    text = json.dumps([{"treename": "Events", "filter_name": ["MET_pt"], "cut": cut}])
    child = Child(box, LIMITS)
    with text_file(text) as selection, tempfile.TemporaryFile() as out, source.open("rb") as file:
        child.load("uproot-raw", selection)
        given, handles = {"kind": "file", "name": "a"}, [file.fileno(), out.fileno()]
        with pytest.raises(ChildError) as caught:
            child.transform(given, "parquet", handles, lambda _: None)
    assert caught.value.kind in ("data", "code", "selection")
    child.kill()
