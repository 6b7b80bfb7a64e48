"""A ServiceX elsewhere: another service of ours, which has what this one lacks."""

import base64
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet
import pytest
from tests.columns.live import PYTHON, running, settings
from tests.columns.test_service import body, finished, rows, submit

from casita.serving import Refused
from casita_columns.service.application import PREFIX
from casita_columns.workers.codegens import probe

OWN = Path(sys.prefix) / "bin" / "python"
QASTLE = (
    "(call Select (call EventDataset 'bogus.root' 'Events') "
    "(lambda (list e) (dict (list 'met') (list (subscript e 'MET_pt')))))"
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """(this facility's service, the one elsewhere)."""
    if "uproot" not in probe(PYTHON).here or "uproot" in probe(OWN).here:
        pytest.skip("needs an environment with func_adl_uproot and one without")
    folder = tmp_path_factory.mktemp("elsewhere")
    with running(settings(folder), anonymous="proxy") as there:
        upstream = {"url": f"{there.base_url}{PREFIX}".replace("//services", "/services")}
        given = settings(tmp_path_factory.mktemp("here"), {"upstream": upstream}, python=OWN)
        with running(given) as here:
            yield here, there


def test_the_list_tells_what_is_here_and_there(pair):
    here, _ = pair
    listed = {one["name"]: one["where"] for one in here.get(f"{PREFIX}/about").json()["codegens"]}
    assert listed["uproot-raw"] == listed["python"] == "here"
    assert listed["uproot"].endswith(PREFIX)
    images = here.get(f"{PREFIX}/servicex").json()["code-gen-image"]
    assert set(images) == {"uproot-raw", "python", "uproot"}


def test_what_is_not_here_is_done_there_and_comes_here(pair, files):
    here, there = pair
    identifier = submit(here, body(files, codegen="uproot", selection=QASTLE))
    found = finished(here, identifier)
    assert (found["status"], found["files"], found["files-completed"]) == ("Complete", 3, 3)
    assert sum(one["total-events"] for one in rows(here, identifier)) == 3000
    for one in here.get(f"{PREFIX}/requests/{identifier}/files").json():
        content = here.get(one["url"]).content
        assert len(content) == one["size"]
        assert pyarrow.parquet.read_table(pyarrow.BufferReader(content)).column_names == ["met"]
    # There it is the facility's; here it is ada's alone.
    assert len(there.get(f"{PREFIX}/requests", headers={"X-User": "proxy"}).json()) == 1
    url = f"{PREFIX}/requests/{identifier}"
    assert here.get(url, headers={"X-User": "bob"}).status_code == 404


def test_what_goes_wrong_there_is_told_here(pair, files):
    here, _ = pair
    bad = submit(here, body(files, codegen="uproot", selection="(call Frob)"))
    found = finished(here, bad)
    assert found["status"] == "Fatal"
    assert "Unknown id: Frob" in found["failure-info"]
    content = body(None, did="xrootd:///no/such/*.root", codegen="uproot", selection=QASTLE)
    assert finished(here, submit(here, content))["status"] == "Bad Dataset"
    partial = submit(here, body([files[0], "/gone.root"], codegen="uproot", selection=QASTLE))
    found = finished(here, partial)
    assert (found["files-completed"], found["files-failed"]) == (1, 1)


@contextmanager
def two(folder, columns=None):
    """(A service that runs nothing itself, the one that it sends all to)."""
    (folder / "there").mkdir()
    (folder / "here").mkdir()
    nothing = folder / "python"  # an interpreter that has none of the packages
    nothing.write_text(f'#!/bin/sh\nexec {sys._base_executable} -S "$@"\n')
    nothing.chmod(0o755)
    with running(settings(folder / "there"), anonymous="proxy") as there:
        url = f"{there.base_url}".rstrip("/") + PREFIX
        given = {**(columns or {}), "upstream": {"url": url}}
        with running(settings(folder / "here", given, python=nothing)) as here:
            yield here, there


def python(code):
    return {"codegen": "python", "selection": base64.b64encode(code.encode()).decode()}


def test_it_is_cancelled_there_too(tmp_path, files):
    with two(tmp_path) as (here, there):
        code = "def run_query(f):\n    import time\n    time.sleep(300)\n"
        identifier = submit(here, body(files, **python(code)))
        proxy = {"X-User": "proxy"}
        deadline = time.monotonic() + 20
        while not (made := there.get(f"{PREFIX}/requests", headers=proxy).json()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        here.post(f"{PREFIX}/requests/{identifier}/cancel")
        assert finished(there, made[0]["id"], **proxy)["status"] == "Canceled"


ROWS = """
def run_query(path=None):
    import time, awkward, numpy
    time.sleep(0.5)
    return awkward.Array({"x": numpy.random.default_rng(1).random(1000)})
"""


def test_files_are_known_again_in_whatever_order_they_are_listed(tmp_path, files, monkeypatch):
    """ServiceX lists them in the order of its database."""
    monkeypatch.setattr("casita_columns.service.upstream.LOOK_SECONDS", 0.3)
    with two(tmp_path) as (here, there):
        asked, records = [], there.service.records
        listed = records.results_after

        def in_turn(*given):
            asked.append(given)
            return listed(*given)[:: -1 if len(asked) % 2 else 1]

        monkeypatch.setattr(records, "results_after", in_turn)
        links = []
        for number in range(6):
            links.append(tmp_path / f"{number}.root")
            links[-1].symlink_to(files[0])
        wanted = [str(one) for one in links]
        identifier = submit(here, body(wanted, **python(ROWS)))
        found = finished(here, identifier)
        assert (found["files-completed"], found["files-failed"]) == (6, 0)
        assert len(asked) > 3
        delivered = rows(here, identifier)
        assert sorted(one["file-path"] for one in delivered) == wanted
        assert len({one["s3-object-name"] for one in delivered}) == 6


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"output": 1000}, "more than the 1000 bytes that a file may have"),
        ({"quota": 20_000}, "casita columns rm"),
    ],
)
def test_limits_hold_for_what_comes_from_there(tmp_path, files, limits, words):
    with two(tmp_path, limits) as (here, _):
        identifier = submit(here, body(files, **python(ROWS)))
        found = finished(here, identifier)
        assert found["files-failed"] == (3 if "output" in limits else 1)
        failed = here.get(f"{PREFIX}/requests/{identifier}").json()["failures"]
        assert all(words in one["message"] for one in failed)
        used = here.get(f"{PREFIX}/about").json()["usage"]
        assert used == (
            0 if "output" in limits else sum(one["total-bytes"] for one in rows(here, identifier))
        )
        assert not list((tmp_path / "here/columns/results/spool").iterdir())


def test_an_older_one_has_results_in_a_bucket_only(pair, files, monkeypatch):
    here, _ = pair
    monkeypatch.setattr(here.service.upstream, "_able", frozenset())
    asked = [*files, "/gone.root"]
    identifier = submit(here, body(asked, codegen="uproot", selection=QASTLE, fresh=True))
    found = finished(here, identifier)
    assert (found["status"], found["files-completed"], found["files-failed"]) == ("Complete", 3, 1)
    for one in here.get(f"{PREFIX}/requests/{identifier}/files").json():
        content = here.get(one["url"]).content
        assert len(content) == one["size"]
        assert pyarrow.parquet.read_table(pyarrow.BufferReader(content)).column_names == ["met"]


@pytest.mark.parametrize(("status", "state"), [(500, "Fatal"), (503, "Submitted")])
def test_one_that_can_not_translate_says_500(pair, files, monkeypatch, status, state):
    """So do servers of ServiceX itself; 503 passes."""
    here, there = pair

    def submitted(*given):
        raise Refused(status, "failed", "Something went wrong (Unknown id: Frob)")

    monkeypatch.setattr(there.service.desk, "submit", submitted)
    identifier = submit(here, body(files, codegen="uproot", selection=QASTLE, fresh=True))
    if state == "Fatal":
        assert "Unknown id: Frob" in finished(here, identifier)["failure-info"]
    else:
        time.sleep(1)
        assert here.get(f"{PREFIX}/requests/{identifier}").json()["state"] == state
        monkeypatch.undo()
        assert finished(here, identifier)["files-completed"] == 3
