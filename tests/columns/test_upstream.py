"""A ServiceX elsewhere: another service of ours, which has what this one lacks."""

import base64
import sys
import time
from pathlib import Path

import pyarrow.parquet
import pytest
from tests.columns.live import PYTHON, running, settings
from tests.columns.test_service import body, finished, rows, submit

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


def test_it_is_cancelled_there_too(tmp_path, files):
    code = base64.b64encode(b"def run_query(f):\n    import time\n    time.sleep(300)\n").decode()
    (tmp_path / "there").mkdir()
    (tmp_path / "here").mkdir()
    with running(settings(tmp_path / "there"), anonymous="proxy") as there:
        url = f"{there.base_url}".rstrip("/") + PREFIX
        nothing = tmp_path / "python"  # an interpreter that has none of the packages
        nothing.write_text(f'#!/bin/sh\nexec {sys._base_executable} -S "$@"\n')
        nothing.chmod(0o755)
        given = settings(tmp_path / "here", {"upstream": {"url": url}}, python=nothing)
        with running(given) as here:
            identifier = submit(here, body(files, codegen="python", selection=code))
            proxy = {"X-User": "proxy"}
            deadline = time.monotonic() + 20
            while not (made := there.get(f"{PREFIX}/requests", headers=proxy).json()):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            here.post(f"{PREFIX}/requests/{identifier}/cancel")
            assert finished(there, made[0]["id"], **proxy)["status"] == "Canceled"
