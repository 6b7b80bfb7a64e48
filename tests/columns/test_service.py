"""The service over HTTP, in this process: forms, errors, owners; workers and children are real."""

import json
import time
from pathlib import Path

import pytest
from tests.columns.live import running, settings

from casita_columns.service.application import PREFIX

RAW = '[{"treename": "Events", "filter_name": ["MET_pt"], "cut": "MET_pt > 50"}]'


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with running(settings(tmp_path_factory.mktemp("service"))) as client:
        yield client


def body(files, **more):
    return {
        "title": "t",
        "file-list": files,
        "selection": RAW,
        "codegen": "uproot-raw",
        "result-destination": "object-store",
        "result-format": "parquet",
        **more,
    }


def submit(client, content, **headers):
    answer = client.post(f"{PREFIX}/servicex/transformation", json=content, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["request_id"]


def finished(client, identifier, **headers):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = client.get(f"{PREFIX}/servicex/transformation/{identifier}", headers=headers).json()
        if found["status"] in ("Complete", "Fatal", "Canceled", "Bad Dataset"):
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def rows(client, identifier, **more):
    url = f"{PREFIX}/servicex/transformation/{identifier}/results"
    return client.get(url, **more).json()["results"]


def test_a_request_from_its_submission_to_its_files(client, files):
    identifier = submit(client, body(files))
    found = finished(client, identifier)
    assert found["files"] == found["files-completed"] == 3
    assert found["files-remaining"] == found["files-failed"] == 0
    assert found["tree-name"] is None
    assert found["minio-endpoint"] == f"{client.base_url.netloc.decode()}/services/columns/s3"
    results = rows(client, identifier)
    assert len({one["s3-object-name"] for one in results}) == 3
    assert [one["created_at"] for one in results] == sorted({one["created_at"] for one in results})
    for one in results:
        assert "/" not in one["s3-object-name"]
        uris = client.post(
            f"{PREFIX}/servicex/transformation/file-urls",
            json={"request_id": identifier, "file_list": [one["s3-object-name"]]},
        ).json()["uris"]
        url, headers, _ = uris[one["s3-object-name"]]
        content = client.get(url, headers=headers).content
        assert len(content) == one["total-bytes"]
        assert content[:4] == content[-4:] == b"PAR1"
    last = results[1]["created_at"]
    assert len(rows(client, identifier, params={"later_than": f"{last}+00:00"})) == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"codegen": "nope"}, "codegen: there is no 'nope' here (there are python, uproot"),
        ({"selection": '[{"treename": "E", "cut": "a >"}]'}, "Failed to generate translation code"),
        ({"codegen": "uproot", "selection": "(call Frob)"}, "NameError: Unknown id: Frob"),
        ({"file-list": []}, "file-list: 0 files"),
        ({"file-list": ["relative.root"]}, "relative.root"),
        ({"file-list": None}, "give either did or file-list"),
        ({"did": "xrootd:///x"}, "give either did or file-list"),
        ({"selection": "x" * 600_000}, "selection"),
        ({"result-format": "csv"}, "result-format"),
        ({"result-destination": "volume"}, "no volume"),
        ({"title": "t" * 20_000}, "title"),
        ({"selection": 7}, "selection"),
    ],
)
def test_requests_that_are_refused(client, files, more, words):
    answer = client.post(f"{PREFIX}/servicex/transformation", json=body(files, **more))
    assert answer.status_code == 400
    assert words in answer.json()["message"]
    assert answer.json()["error"]["message"]


def test_what_is_unknown_is_ignored(client, files):
    identifier = submit(client, body(files[:1], **{"client-version": "9", "image": "evil"}))
    assert finished(client, identifier)["image"] == "casita/uproot-raw"


def test_others_find_nothing_of_it(client, files):
    identifier = submit(client, body(files))
    finished(client, identifier)
    (name, *_) = (one["s3-object-name"] for one in rows(client, identifier))
    bob = {"X-User": "bob"}
    paths = [
        ("GET", f"servicex/transformation/{identifier}"),
        ("GET", f"servicex/transformation/{identifier}/results"),
        ("GET", f"servicex/transformation/{identifier}/status"),
        ("GET", f"servicex/transformation/{identifier}/cancel"),
        ("POST", f"servicex/transformation/{identifier}/cancel"),
        ("DELETE", f"servicex/transformation/{identifier}"),
        ("GET", f"requests/{identifier}"),
        ("GET", f"requests/{identifier}/files"),
        ("GET", f"requests/{identifier}/events"),
        ("POST", f"requests/{identifier}/again"),
        ("POST", f"requests/{identifier}/cancel"),
        ("DELETE", f"requests/{identifier}"),
        ("GET", "servicex/datasets/1"),
        ("DELETE", "servicex/datasets/1"),
    ]
    for method, path in paths:
        answer = client.request(method, f"{PREFIX}/{path}", headers=bob)
        assert answer.status_code == 404, (method, path, answer.text)
    answer = client.post(
        f"{PREFIX}/servicex/transformation/file-urls",
        json={"request_id": identifier, "file_list": [name]},
        headers=bob,
    )
    assert answer.status_code == 404
    assert client.get(f"{PREFIX}/servicex/transformation", headers=bob).json() == {"requests": []}
    assert client.get(f"{PREFIX}/requests", headers=bob).json() == []
    page = f"{PREFIX}/transformation-request/{identifier}/results"
    assert client.get(page, headers=bob).status_code == 401
    assert client.get(f"{PREFIX}/s3/{identifier}/{name}").status_code == 403
    assert client.get(f"{PREFIX}/dl/{identifier}/{name}").status_code == 403
    assert finished(client, identifier)["status"] == "Complete"


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"Authorization": "Bearer None"},
        {"Authorization": "Bearer a.b.c"},
        {"Authorization": "x"},
    ],
)
def test_without_a_token_nothing_is_told(client, header):
    client.headers.pop("X-User")
    try:
        for method, path in (
            ("GET", "servicex"),
            ("GET", "servicex/transformation"),
            ("GET", "requests"),
            ("POST", "loans"),
            ("GET", "about"),
        ):
            answer = client.request(method, f"{PREFIX}/{path}", headers=header)
            assert answer.status_code == 401, (path, answer.text)
            assert answer.json()["message"]
        answer = client.post(f"{PREFIX}/token/refresh", headers=header)
        assert answer.status_code in (401, 503)  # 503: the issuer isn't there in this test
    finally:
        client.headers["X-User"] = "ada"


def test_the_same_query_is_answered_with_what_is_there(client, files):
    first = submit(client, body(files, title="one"))
    finished(client, first)
    second = submit(client, body(files, title="two"))
    state = client.get(f"{PREFIX}/requests/{second}").json()
    assert state["cached"]
    assert state["state"] == "Complete"
    fresh = submit(client, body(files, fresh=True))
    assert not client.get(f"{PREFIX}/requests/{fresh}").json()["cached"]
    finished(client, fresh)
    # The first goes, and the results of the second stay.
    assert client.delete(f"{PREFIX}/servicex/transformation/{first}").status_code == 200
    (one, *_) = client.get(f"{PREFIX}/requests/{second}/files").json()
    assert len(client.get(one["url"]).content) == one["size"]


def test_a_file_that_was_written_anew_is_read_anew(client, tmp_path):
    from tests.columns.conftest import nano

    path = nano(tmp_path / "a.root", 1)
    finished(client, submit(client, body([str(path)])))
    nano(path, 2)
    second = submit(client, body([str(path)]))
    assert not client.get(f"{PREFIX}/requests/{second}").json()["cached"]
    finished(client, second)


def test_local_files_of_one_are_not_results_of_another(client, files):
    finished(client, submit(client, body(files)))
    second = submit(client, body(files), **{"X-User": "bob"})
    found = client.get(f"{PREFIX}/requests/{second}", headers={"X-User": "bob"}).json()
    assert not found["cached"]
    finished(client, second, **{"X-User": "bob"})


def test_failures_are_told_file_by_file(client, files, tmp_path):
    (tmp_path / "half.root").write_bytes(Path(files[0]).read_bytes()[:5000])
    asked = [files[0], "/no/such.root", str(tmp_path / "half.root"), "/dev/zero", str(tmp_path)]
    identifier = submit(client, body(asked, title="<b>partial</b>"))
    found = finished(client, identifier)
    assert (found["status"], found["files-completed"], found["files-failed"]) == ("Complete", 1, 4)
    details = client.get(f"{PREFIX}/requests/{identifier}").json()
    told = {one["path"]: one["message"] for one in details["failures"]}
    assert told["/no/such.root"] == "/no/such.root: No such file or directory"
    assert "no file" in told["/dev/zero"]
    assert "no file" in told[str(tmp_path)]
    page = client.get(found["log-url"])
    assert page.status_code == 200
    assert "&lt;b&gt;partial" in page.text
    assert "<b>partial" not in page.text
    assert "/no/such.root" in page.text
    double = found["log-url"].replace("transformation-request/", "transformation-request//")
    assert client.get(double).status_code == 200


def test_a_dataset_without_files(client):
    content = body(None, did="xrootd:///no/such/*.root")
    found = finished(client, submit(client, content))
    assert found["status"] == "Bad Dataset"
    dataset = client.get(f"{PREFIX}/servicex/datasets/{found['did_id']}").json()
    assert dataset["lookup_status"] == "does_not_exist"
    assert (dataset["n_files"], dataset["files"]) == (0, [])


def slow(seconds):
    import base64

    code = f"def run_query(path=None):\n    import time\n    time.sleep({seconds})\n"
    return {"codegen": "python", "selection": base64.b64encode(code.encode()).decode()}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_is_cancelled(client, files, method):
    identifier = submit(client, body(files, **slow(300)))
    url = f"{PREFIX}/servicex/transformation/{identifier}/cancel"
    assert client.request(method, url).status_code == 200
    assert finished(client, identifier)["status"] == "Canceled"
    again = client.request(method, url)
    assert again.status_code == 400
    assert "in state Canceled" in again.json()["message"]
    # Its workers are free for others.
    assert finished(client, submit(client, body(files[:1], fresh=True)))["status"] == "Complete"


def test_whenever_a_request_is_cancelled_its_workers_are_free(client, files):
    for pause in (0, 0.01, 0.03, 0.1, 0.3) * 2:
        identifier = submit(client, body(files, **slow(300)))
        time.sleep(pause)
        client.post(f"{PREFIX}/servicex/transformation/{identifier}/cancel")
    assert finished(client, submit(client, body(files, fresh=True)))["files-completed"] == 3


def test_others_are_served_while_somebody_loops(client, files):
    identifier = submit(client, body(files[:1], **slow(300)))
    other = submit(client, body(files, fresh=True), **{"X-User": "bob"})
    assert finished(client, other, **{"X-User": "bob"})["status"] == "Complete"
    client.delete(f"{PREFIX}/servicex/transformation/{identifier}")
    assert client.get(f"{PREFIX}/requests/{identifier}").status_code == 404


def test_a_server_that_says_nothing_holds_up_only_who_asked_for_it(client, files):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and is silent
        url = f"xrootd://root://127.0.0.1:{silent.getsockname()[1]}//x{{}}/*.root"
        stuck = [
            submit(client, body(None, did=url.format(n)), **{"X-User": "eve"}) for n in range(6)
        ]
        glob = f"xrootd://{Path(files[0]).parent}/nano_*.root"
        assert finished(client, submit(client, body(None, did=glob)))["files-completed"] == 3
        assert client.post(f"{PREFIX}/look", json={"files": files[:1]}).status_code == 200
        for one in stuck:
            client.delete(f"{PREFIX}/requests/{one}", headers={"X-User": "eve"})


def test_news_come_as_they_happen(client, files):
    identifier = submit(client, body(files, fresh=True))
    states = []
    with client.stream("GET", f"{PREFIX}/requests/{identifier}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data: "):
                states.append(json.loads(line[6:]))
    assert states[-1]["state"] == "Complete"
    assert states[-1]["completed"] == 3
    done = [one["completed"] for one in states]
    assert done == sorted(done)


def test_what_a_dataset_holds(client, files):
    found = client.post(f"{PREFIX}/look", json={"files": files}).json()
    assert (found["files"], found["path"]) == (3, files[0])
    assert [one["name"] for one in found["trees"]] == ["Events", "Runs"]
    answer = client.post(f"{PREFIX}/look", json={"files": ["/no/such.root"]})
    assert answer.status_code == 400
    assert "No such file" in answer.json()["message"]
    assert client.post(f"{PREFIX}/look", json={}).status_code == 400


def test_a_quota(tmp_path, files):
    with running(settings(tmp_path, {"quota": 2500})) as client:
        identifier = submit(client, body(files))
        found = finished(client, identifier)
        assert found["files-failed"] > 0
        details = client.get(f"{PREFIX}/requests/{identifier}").json()
        assert "casita columns rm" in details["failures"][0]["message"]
        assert client.get(f"{PREFIX}/about").json()["usage"] <= 2500


def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path, files):
    from sqlalchemy import event

    with running(settings(tmp_path)) as client:
        first = submit(client, body(files))
        finished(client, first)
        engine = client.service.records._engine

        def limit(pages):  # as SQLite itself says it when the disk is full
            def connected(connection, record):
                connection.execute(f"PRAGMA max_page_count={pages}")

            engine.dispose()
            event.listen(engine, "connect", connected)

        limit(1)
        big = body(files, fresh=True, title="t" * 10_000)
        answer = client.post(f"{PREFIX}/servicex/transformation", json=big)
        for _ in range(20):  # until the pages that there are hold no more
            if answer.status_code != 200:
                break
            answer = client.post(f"{PREFIX}/servicex/transformation", json=big)
        assert answer.status_code == 503
        assert "the disk is full" in answer.json()["message"]
        assert client.get(f"{PREFIX}/requests/{first}").json()["completed"] == 3
        limit(1_000_000)
        assert finished(client, submit(client, body(files, fresh=True)))["files-completed"] == 3


def test_a_volume(tmp_path, files):
    volume = tmp_path / "volume"
    with running(settings(tmp_path, {"volume": volume})) as client:
        identifier = submit(client, body(files, **{"result-destination": "volume"}))
        assert finished(client, identifier)["files-completed"] == 3
        assert len(list((volume / "ada" / identifier).glob("*.parquet"))) == 3


def test_links_that_a_user_put_into_the_volume_are_not_followed(tmp_path, files):
    volume, elsewhere = tmp_path / "volume", tmp_path / "elsewhere"
    volume.mkdir()
    elsewhere.mkdir()
    (volume / "ada").symlink_to(elsewhere)
    with running(settings(tmp_path, {"volume": volume})) as client:
        identifier = submit(client, body(files[:1], **{"result-destination": "volume"}))
        assert finished(client, identifier)["files-failed"] == 1
        assert list(elsewhere.iterdir()) == []


FORGED = """
def run_query(path=None):
    import json, os, socket
    for number in range(3, 64):
        try:
            one = socket.socket(fileno=os.dup(number))
            for done in (%s,):
                one.send(json.dumps({"done": done}).encode())
        except OSError:
            pass
"""


@pytest.mark.parametrize(
    "done", ["7", "{'seconds': 'x', 'events': -5}", "{'seconds': 1e999}", "[]"]
)
def test_a_child_that_answers_for_itself_gains_nothing(client, files, done):
    import base64

    selection = base64.b64encode((FORGED % done).encode()).decode()
    identifier = submit(client, body(files[:1], codegen="python", selection=selection))
    assert finished(client, identifier)["files-failed"] == 1
    assert client.get(f"{PREFIX}/requests").status_code == 200
    assert finished(client, submit(client, body(files, fresh=True)))["files-completed"] == 3


def test_code_that_loops_before_it_is_called_is_refused(tmp_path, files):
    import base64

    code = base64.b64encode(b"while True: pass").decode()
    with running(settings(tmp_path, {"file_time": 3})) as client:
        url, content = f"{PREFIX}/servicex/transformation", body(files)
        looping = content | {"codegen": "python", "selection": code}
        answer = client.post(url, json=looping)
        assert answer.status_code == 400
        assert "longer than 3 s" in answer.json()["message"]
        assert finished(client, submit(client, content))["files-completed"] == 3


def test_a_store_elsewhere(tmp_path, files):
    with running(settings(tmp_path, {"store": "memory://casita"})) as client:
        identifier = submit(client, body(files))
        finished(client, identifier)
        for one in client.get(f"{PREFIX}/requests/{identifier}/files").json():
            assert client.get(one["url"]).content[:4] == b"PAR1"
        client.delete(f"{PREFIX}/requests/{identifier}")
        assert client.get(one["url"]).status_code == 404


def test_what_was_under_way_goes_on_after_a_restart(tmp_path, files):
    given = settings(tmp_path)
    with running(given) as client:
        identifier = submit(client, body(files, **slow(1)))
        other = submit(client, body(files))
        time.sleep(0.3)
    with running(given) as client:
        assert finished(client, other)["files-completed"] == 3
        assert finished(client, identifier)["files-failed"] == 3  # it returns None
        assert client.get(f"{PREFIX}/requests").json()[0]["id"] == other


def test_housekeeping(tmp_path, files):
    with running(settings(tmp_path, {"keep": 3600})) as client:
        identifier = submit(client, body(files))
        finished(client, identifier)
        client.service._clean()
        assert client.get(f"{PREFIX}/requests/{identifier}").status_code == 200
        with client.service.records._writing() as session:
            from sqlalchemy import update

            from casita_columns.records.tables import Request as Row

            session.execute(update(Row).values(finished=1.0))
        client.service._clean()
        assert client.get(f"{PREFIX}/requests/{identifier}").status_code == 404
        assert not list((tmp_path / "columns" / "results" / "objects").iterdir())


def test_what_a_crash_left_in_the_store_is_removed(tmp_path, files, monkeypatch):
    """Objects that were put there, and whose request could not be told."""
    from sqlalchemy.exc import OperationalError

    with running(settings(tmp_path)) as client:
        records, lost = client.service.records, []
        succeed = records.succeed

        def once(*given):
            if not lost:
                lost.append(given)
                raise OperationalError("", {}, Exception("the database is gone"))
            return succeed(*given)

        monkeypatch.setattr(records, "succeed", once)
        identifier = submit(client, body(files))
        client.service.work.nudge()
        deadline = time.monotonic() + 30
        while not lost:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        client.service._tend()
        assert finished(client, identifier)["files-completed"] == 3
        folder = tmp_path / "columns" / "results" / "objects" / identifier
        assert len(list(folder.iterdir())) == 4
        client.service._clean()
        assert len(list(folder.iterdir())) == 4  # it may be on its way yet
        later = time.time() + 100_000
        monkeypatch.setattr("casita_columns.records.requests.now", lambda: later)
        client.service._clean()
        assert len(list(folder.iterdir())) == 3
        for one in client.get(f"{PREFIX}/requests/{identifier}/files").json():
            assert client.get(one["url"]).status_code == 200


def test_metrics_and_health(client, files):
    finished(client, submit(client, body(files)))
    text = client.get(f"{PREFIX}/metrics").text
    assert 'casita_columns_requests{state="Complete"}' in text
    assert "casita_columns_workers 2.0" in text
    assert client.get(f"{PREFIX}/health").json()["ready"]


# ---- loans: a cluster's workers


@pytest.fixture(scope="module")
def lent(tmp_path_factory):
    with running(settings(tmp_path_factory.mktemp("lent"), {"executor": "cluster"})) as client:
        yield client


def test_a_file_is_taken_read_and_brought(lent, files):
    identifier = submit(lent, body(files[:1]))
    assert lent.post(f"{PREFIX}/loans", headers={"X-User": "bob"}).status_code == 204
    task = lent.post(f"{PREFIX}/loans").json()
    assert task["replicas"] == files[:1]
    url, mine = f"{PREFIX}/loans/{task['id']}", {"attempt": task["attempt"]}
    assert lent.post(f"{url}/keep", params=mine).json() == {"kept": True}
    for bad in ({"attempt": task["attempt"] + 1}, {"attempt": 0}):
        assert lent.post(f"{url}/keep", params=bad).status_code == 404
    other = lent.post(f"{url}/keep", params=mine, headers={"X-User": "bob"})
    assert other.status_code == 404
    content = b"PAR1" + b"x" * 3_000_000 + b"PAR1"
    answer = lent.put(url, params={**mine, "events": 7, "events_in": 9}, content=content)
    assert answer.json() == {"kept": True}
    found = finished(lent, identifier)
    assert found["files-completed"] == 1
    (one,) = rows(lent, identifier)
    assert (one["total-bytes"], one["total-events"]) == (len(content), 7)
    assert lent.put(url, params={**mine, "events": 7}, content=content).status_code == 404


def test_what_is_no_result_is_not_taken_for_one(lent, files):
    identifier = submit(lent, body(files[1:2]))
    task = lent.post(f"{PREFIX}/loans").json()
    url, mine = f"{PREFIX}/loans/{task['id']}", {"attempt": task["attempt"], "events": 1}
    assert lent.put(url, params=mine, content=b"#!/bin/sh").json() == {"kept": False}
    assert finished(lent, identifier)["files-failed"] == 1


def test_a_loan_that_failed_is_tried_again_or_given_up(lent, files):
    identifier = submit(lent, body(files[2:]))
    for _ in range(3):
        task = lent.post(f"{PREFIX}/loans").json()
        url, mine = f"{PREFIX}/loans/{task['id']}", {"attempt": task["attempt"]}
        trouble = {"kind": "input", "message": "the server is away", "retry": True}
        assert lent.post(f"{url}/failed", params=mine, json=trouble).status_code == 204
    assert lent.post(f"{PREFIX}/loans").status_code == 204
    assert finished(lent, identifier)["files-failed"] == 1
