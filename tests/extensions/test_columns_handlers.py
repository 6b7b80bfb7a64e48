"""Column delivery in a user's Jupyter server, on a real facility."""

import json

import httpx
import numpy
import pytest
import uproot
from tests.extensions.servers import error, server_at, told

from casita_columns import servicex_yaml
from casita_columns.handlers import extension

TREE = "Events"
SELECTION = json.dumps([{"treename": TREE, "filter_name": ["x"], "cut": "n > 1"}])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    made = []
    for number in range(2):
        path = folder / f"part_{number}.root"
        with uproot.recreate(path) as out:
            columns = {"x": numpy.arange(1000.0), "n": numpy.arange(1000, dtype="i4") % 4}
            out.mktree(TREE, {"x": "f8", "n": "i4"}).extend(columns)
        made.append(str(path))
    return made


@pytest.fixture(scope="module")
def server(facility, tmp_path_factory):
    with server_at(facility, tmp_path_factory.mktemp("home")) as running:
        yield running


def asked(**more):
    return {"title": "test", "files": [], "selection": SELECTION, **more}


def submit(server, **more):
    made = server.http.post("columns/requests", json=asked(**more))
    assert made.status_code == 201, made.text
    return made.json()


def follow(server, identifier, wanted, seconds=60):
    """Return the first state of a request that is wanted, as the event stream tells it."""
    for name, content in told(server, "columns", seconds):
        assert name == "columns"
        assert content["problem"] is None
        for one in content["requests"]:
            if one["id"] == identifier and wanted(one):
                return one
    raise AssertionError("the stream has ended")


def over(one):
    return one["state"] in ("Complete", "Fatal", "Canceled", "Bad Dataset")


# ---- on a facility


def test_the_overview_says_what_is_offered(server):
    found = server.http.get("columns").json()
    assert found["configured"]
    assert found["problem"] is None
    assert "uproot-raw" in [one["name"] for one in found["service"]["codegens"]]
    assert found["service"]["quota"] > found["service"]["usage"] >= 0


def test_a_dataset_is_looked_at(server, files):
    found = server.http.post("columns/look", json={"files": files}).json()
    assert (found["files"], found["path"]) == (2, files[0])
    (tree,) = found["trees"]
    assert (tree["name"], tree["entries"], tree["kind"]) == (TREE, 1000, "TTree")
    assert {one["name"]: one["type"] for one in tree["branches"]} == {
        "x": "double",
        "n": "int32_t",
    }
    assert all(0 < one["bytes"] < 10 for one in tree["branches"])


def test_a_request_is_followed_to_its_end(server, files):
    made = submit(server, files=files)
    done = follow(server, made["id"], over)
    assert (done["state"], done["files"], done["completed"]) == ("Complete", 2, 2)
    assert (done["events"], done["events_in"]) == (1000, 2000)
    assert done["selection"] == ""  # may be long, and is asked for when it is looked at
    details = server.http.get(f"columns/requests/{made['id']}").json()
    assert details["selection"] == SELECTION
    assert details["failures"] == []


def test_what_is_asked_for_twice_is_there_at_once_unless_run_again(server, files):
    submitted = [submit(server, files=files, title=one)["id"] for one in ("first", "second")]
    first, second = (follow(server, one, over) for one in submitted)
    assert second["cached"] or first["cached"]
    again = server.http.post(f"columns/requests/{second['id']}/again")
    assert again.status_code == 201
    assert not follow(server, again.json()["id"], over)["cached"]


def test_a_file_that_is_missing_is_named(server, files):
    gone = f"{files[0]}.gone"
    made = submit(server, files=[files[0], gone])
    done = follow(server, made["id"], over)
    assert (done["completed"], done["failed"]) == (1, 1)
    (failure,) = server.http.get(f"columns/requests/{made['id']}").json()["failures"]
    assert failure["path"] == gone
    assert failure["message"]


def test_a_request_is_cancelled_once(server, files):
    made = submit(server, files=files, selection=SELECTION.replace("n > 1", "n > 2"))
    answer = server.http.post(f"columns/requests/{made['id']}/cancel")
    if answer.status_code == 204:  # else it was quicker
        assert follow(server, made["id"], over)["state"] == "Canceled"
    said = error(server.http.post(f"columns/requests/{made['id']}/cancel"), 400)
    assert "is in state" in said["message"]


def test_a_request_is_removed(server, files):
    made = submit(server, files=files)
    follow(server, made["id"], over)
    assert server.http.delete(f"columns/requests/{made['id']}").status_code == 204
    listed = server.http.get("columns").json()["requests"]
    assert made["id"] not in [one["id"] for one in listed]
    assert error(server.http.get(f"columns/requests/{made['id']}"), 404)


def test_datasets_are_listed_and_forgotten(server, files):
    pattern = f"file://{files[0].replace('part_0', 'part_*')}"
    found = server.http.post("columns/look", json={"did": pattern}).json()
    assert found["files"] == 2
    listed = server.http.get("columns/datasets").json()
    assert listed[0]["did"] == pattern
    assert server.http.delete(f"columns/datasets/{found['dataset_id']}").status_code == 204
    error(server.http.delete("columns/datasets/999999"), 404)


def test_what_is_wrong_is_named(server, files):
    http = server.http
    for path in ("look", "requests"):
        for body in (asked(), asked(did="x", files=files)):
            said = error(http.post(f"columns/{path}", json=body), 422)
            assert said["message"] == "did, files: name a dataset or files"
    assert (
        "format" in error(http.post("columns/requests", json=asked(format="csv")), 422)["message"]
    )
    bad = asked(files=files, selection=SELECTION.replace("n > 1", "(n > "))
    assert "cut: syntax error" in error(http.post("columns/requests", json=bad), 400)["message"]
    unknown = asked(did="nonsense://x")
    assert "'nonsense'" in error(http.post("columns/requests", json=unknown), 400)["message"]
    missing = {"files": [f"{files[0]}.gone"]}
    assert error(http.post("columns/look", json=missing), 400)["message"]
    error(http.post("columns/requests/nothing/cancel"), 404)
    error(http.post("columns/requests/nothing/again"), 404)


def test_nobody_comes_in_without_login(server):
    at = f"{server.url}casita/columns"
    assert httpx.get(at).status_code == 403
    assert httpx.get(f"{at}/datasets").status_code == 403
    assert httpx.get(f"{at}/requests/a").status_code == 403
    assert httpx.delete(f"{at}/requests/a").status_code == 403
    for path in ("requests", "look", "requests/a/cancel", "requests/a/again"):
        assert httpx.post(f"{at}/{path}", json={}).status_code == 403


# ---- the official client's settings


def test_a_server_of_a_facility_with_columns_introduces_it():
    def offered(state="on", **more):
        backends = json.dumps([{"name": "columns", "title": "", "state": state}])
        return extension.is_offered({"CASITA_BACKENDS": backends, **more})

    assert offered(JUPYTERHUB_API_TOKEN="t")
    assert not offered()
    assert not offered("off", JUPYTERHUB_API_TOKEN="t")
    assert not extension.is_offered({"JUPYTERHUB_API_TOKEN": "t"})


def inside(monkeypatch):
    """This process is a facility's server."""
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "abc")
    monkeypatch.setenv("DASK_GATEWAY__ADDRESS", "http://facility:8000/services/dask-gateway")
    monkeypatch.delenv("CASITA_URL", raising=False)


def test_the_facility_is_written_down_for_the_official_client(tmp_path, monkeypatch):
    inside(monkeypatch)
    extension.introduce(tmp_path)
    written = (tmp_path / "servicex.yaml").read_text()
    assert written.startswith(servicex_yaml.MARK)
    assert '"http://facility:8000/services/columns"' in written
    assert '"abc"' in written


def test_a_user_s_own_settings_stay_and_the_log_says_so(tmp_path, monkeypatch, caplog):
    inside(monkeypatch)
    (tmp_path / "servicex.yaml").write_text("api_endpoints: []\n")
    with caplog.at_level("INFO"):
        extension.introduce(tmp_path)
    assert (tmp_path / "servicex.yaml").read_text() == "api_endpoints: []\n"
    assert "is your own and stays" in caplog.text


def test_a_home_that_can_not_be_written_stops_nothing(tmp_path, monkeypatch, caplog):
    inside(monkeypatch)
    home = tmp_path / "file"
    home.write_text("")
    extension.introduce(home)
    assert "no servicex.yaml" in caplog.text
