"""The main job, as a person runs it: real data, a real facility, a plot."""

import json

import nbformat
import pytest

from casita.demo.job import notebook_file
from casita.demo.notebook import Server, free_name, load
from casita.sweep import belongings

KNOWN = {"events": 200, "4j1b": 7, "4j2b": 33}
"""Of the sample nano_tt_v12."""


@pytest.fixture(scope="module")
def outcome(facility, samples):
    done = facility.casita("demo", "--allow-root", "--json")
    assert "identical histograms" not in done.stderr  # that is the notebook's own line
    return json.loads(done.stdout)


def test_the_yields_are_the_known_ones(outcome):
    yields = outcome["yields"]
    assert yields["tt to lepton + jets, Run 3"] == KNOWN
    assert yields["all"] == {"events": 480, "4j1b": 7, "4j2b": 33}
    assert outcome["identical"] is True
    assert outcome["events"] == 480


def test_there_is_a_picture_and_every_step_has_its_time(outcome):
    with open(outcome["plot"], "rb") as picture:
        assert picture.read(8) == b"\x89PNG\r\n\x1a\n"
    assert len(outcome["seconds"]) == 4
    assert all(seconds >= 0 for seconds in outcome["seconds"].values())


def test_the_notebook_is_in_the_users_home_with_its_outputs(outcome):
    notebook = nbformat.read(outcome["notebook"], as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    kinds = {kind for cell in code for out in cell.outputs for kind in out.get("data", {})}
    assert {"image/png", "text/html", "application/vnd.jupyter.widget-view+json"} <= kinds


def test_a_notebook_that_the_user_changed_is_not_overwritten(outcome, facility):
    with facility.login() as session:
        server = Server(f"{facility.url}/user/{session.user}", session.token("test", 60))
    assert free_name(server, "ttbar") == "ttbar.ipynb"
    notebook = nbformat.read(outcome["notebook"], as_version=4)
    notebook.cells[0].source += "\nmy own remark"
    server.write_notebook("ttbar.ipynb", notebook)
    assert free_name(server, "ttbar") == "ttbar-2.ipynb"


def test_own_data_runs_too(outcome, facility, samples):
    done = facility.casita("demo", "--allow-root", "--json", "--data", samples / "nano_tt_v12.root")
    assert json.loads(done.stdout)["yields"]["nano_tt_v12"] == KNOWN


@pytest.mark.parametrize("data", ["/nowhere.root", "https://127.0.0.1:1/x.root", "/etc/hostname"])
def test_bad_data_is_refused_before_anything_starts(tmp_path, data):
    from casita.testing import casita

    done = casita("demo", "--allow-root", "--data", data, "--state", tmp_path / "s", check=False)
    assert done.returncode == 1
    assert data in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert not (tmp_path / "s" / "site.json").exists()


def test_the_shipped_notebook_is_clean():
    notebook = nbformat.read(notebook_file(), as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    assert not any(cell.get("execution_count") for cell in notebook.cells)


def test_parameters_are_set_where_a_person_sees_them():
    notebook = load(notebook_file(), DATA='a "b".root', WORKERS=3)
    source = notebook.cells[1].source
    assert 'DATA = "a \\"b\\".root"  # a file' in source
    assert "WORKERS = 3\n" in source
    with pytest.raises(ValueError, match="no parameter NOTHING"):
        load(notebook_file(), NOTHING=1)


def test_no_stranger_can_listen_to_the_kernel(outcome, facility):
    """It lives on behind the notebook, on Unix sockets in a private folder."""
    kernels = [
        one.process
        for one in belongings(facility.site.instance)
        if "ipykernel_launcher" in one.process.cmdline()
    ]
    assert kernels
    for kernel in kernels:
        listening = [c for c in kernel.net_connections("inet") if c.status == "LISTEN"]
        # ipykernel's pipe for child processes: it takes what knows its secret, and gives nothing.
        assert len(listening) <= 1
    folder = facility.site.runtime / "jupyter"
    assert list(folder.glob("kernel-*"))
    assert folder.parent.stat().st_mode & 0o077 == 0
