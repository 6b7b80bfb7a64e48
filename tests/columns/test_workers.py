"""Workers and their children: whose they are, and how long they stay."""

import base64
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet
import pytest
from tests.columns.conftest import nano

from casita_columns.workers.child import text_file
from casita_columns.workers.pool import Crew, Pool, Rights
from casita_columns.workers.sandbox import Limits, interpreter, missing, sandbox

PYTHON = interpreter(None, Path(sys.prefix))
CODE = """
import awkward
calls = 0
def run_query(path=None):
    global calls
    calls += 1
    return awkward.Array({"calls": [calls]})
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return nano(tmp_path_factory.mktemp("workers") / "a.root", 1)


@pytest.fixture
def pool():
    if trouble := missing(PYTHON):
        pytest.skip(trouble)
    crew = Crew(
        sandbox=sandbox(PYTHON, "auto"),
        limits=Limits(3 * 2**30, 60, 2**20, 60),
        environment={},
        python=sys.executable,
        accounts=False,
        token_of=lambda rights: "",
    )
    pool = Pool(crew, 1)
    yield pool
    pool.close()


def calls(pool, source, key):
    """How many files the child has seen that sees this one."""
    task = {"do": "run", "codegen": "python", "key": key, "format": "parquet"}
    task |= {"replicas": [str(source)]}
    with (
        pool.worker(Rights("alice"), key) as worker,
        text_file(base64.b64encode(CODE.encode()).decode()) as selection,
        tempfile.TemporaryFile() as out,
    ):
        worker.ask(task, [selection, out.fileno()])
        return pyarrow.parquet.read_table(out)["calls"].to_pylist()[0]


def test_a_child_outlives_a_pause_between_files_of_a_query(pool, source):
    """The service takes results in meanwhile, which may take a while."""
    assert calls(pool, source, "first") == 1
    time.sleep(1)
    assert calls(pool, source, "first") == 2


def test_queries_never_share_a_child(pool, source):
    for key in ("first", "second", "first"):
        assert calls(pool, source, key) == 1
        time.sleep(0.3)  # another child is made ready
