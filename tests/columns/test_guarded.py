"""Guarded data: a request reads what the token allows that it came with, whatever its user may."""

import sys
import tempfile
import time
from contextlib import suppress

import httpx
import pytest
from tests.cache.conftest import data, facility_with, newer, port_of, world  # noqa: F401
from tests.columns.live import PYTHON, running, settings

from casita.testing import wait_for
from casita_columns.service.application import PREFIX
from casita_columns.workers.pool import Crew, Pool, Rights, TaskError
from casita_columns.workers.sandbox import Limits, sandbox

CONFIG = """
[tokens]
read = ["/store/cms"]
[backends.cache]
tokens = true
program = "{program}"
directory = "{directory}"
[backends.cache.local]
directory = "{data}"
prefix = "/store"
[backends.columns]
workers = 1
executor = "{executor}"
"""
RAW = '[{"treename": "Events", "filter_name": ["x"]}]'
FOR_CACHE = {"CASITA_TOKEN_FOR": "cache columns"}
INSIDE, OUTSIDE = "/store/cms/c.root", "/store/a.root"


@pytest.fixture(scope="module")
def guarded(world, data, newer):  # noqa: F811
    text = CONFIG.replace("{executor}", "local")
    with facility_with(world, text, data=data, program=newer) as facility:
        yield facility


def token(facility, *options):
    done = facility.casita("token", "storage", "-q", "--for", "columns", *options)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def narrow(guarded):
    """A token for a part of what its owner may read."""
    return token(guarded, "--path", "/store/cms")


def asked(facility, of, *, fresh=True, **more):
    """Ask for columns with a token; returns the request when it is done."""
    headers = {"Authorization": f"Bearer {of}"}
    body = {
        "title": "t",
        "selection": RAW,
        "codegen": "uproot-raw",
        "fresh": fresh,
        **more,
    }
    with httpx.Client(base_url=f"{facility.url}{PREFIX}", headers=headers, timeout=60) as http:
        answer = http.post("requests", json=body)
        assert answer.status_code == 201, answer.text
        deadline = time.monotonic() + 60
        while True:
            found = http.get(f"requests/{answer.json()['id']}").json()
            if found["finished"]:
                return found
            assert time.monotonic() < deadline, facility.logs()
            time.sleep(0.1)


def urls(facility, *paths):
    port = port_of(facility, "cache-local")
    return [f"root://127.0.0.1:{port}/{path}" for path in paths]


def test_a_narrowed_token_reads_what_it_allows_and_nothing_else(guarded, narrow):
    both = urls(guarded, INSIDE, OUTSIDE)
    # Its user may read both; a worker with all of these rights is there, too.
    assert asked(guarded, token(guarded), **{"file-list": both})["completed"] == 2
    found = asked(guarded, narrow, **{"file-list": both})
    assert (found["completed"], found["failed"]) == (1, 1)
    assert found["failures"][0]["path"] == both[1]
    assert asked(guarded, token(guarded), **{"file-list": both})["completed"] == 2


def test_results_that_are_there_are_not_for_a_narrower_token(guarded, narrow):
    outside = urls(guarded, OUTSIDE)
    assert asked(guarded, token(guarded), fresh=False, **{"file-list": outside})["completed"] == 1
    found = asked(guarded, narrow, fresh=False, **{"file-list": outside})
    assert (found["cached"], found["failed"]) == (False, 1)
    inside = urls(guarded, INSIDE)
    asked(guarded, token(guarded), fresh=False, **{"file-list": inside})
    assert asked(guarded, narrow, fresh=False, **{"file-list": inside})["cached"]


def test_folders_are_listed_with_the_same_rights(guarded, narrow):
    inside, outside = urls(guarded, "/store/cms/*.root", "/store/*.root")
    assert asked(guarded, narrow, did=f"xrootd://{inside}")["completed"] == 1
    found = asked(guarded, narrow, did=f"xrootd://{outside}")
    assert (found["state"], found["files"]) == ("Bad Dataset", 0)


def test_a_look_into_a_file_needs_the_right_to_read_it(guarded, narrow):
    headers = {"Authorization": f"Bearer {narrow}"}
    for path, status in ((INSIDE, 200), (OUTSIDE, 400)):
        answer = httpx.post(
            f"{guarded.url}{PREFIX}/look",
            json={"files": urls(guarded, path)},
            headers=headers,
            timeout=60,
        )
        assert answer.status_code == status, answer.text


def test_a_token_that_reads_nothing_reads_nothing(guarded):
    of = token(guarded, "--path", "/store/cms", "--right", "modify")
    found = asked(guarded, of, **{"file-list": urls(guarded, INSIDE)})
    assert found["failed"] == 1


def test_a_worker_that_began_without_a_token_takes_a_later_one(guarded):
    """The issuer may be away when it begins."""
    given = [""]
    crew = Crew(
        sandbox=sandbox(PYTHON, "auto"),
        limits=Limits(4 * 2**30, 60, 2**20, 60),
        environment=guarded.site.backend_environment(),
        python=sys.executable,
        accounts=False,
        token_of=lambda rights: given[0],
    )
    task = {"do": "list", "url": urls(guarded, "/store/cms")[0]}
    pool = Pool(crew, 1)
    try:
        with pool.worker(Rights("admin")) as worker, tempfile.TemporaryFile() as out:

            def lists():
                with suppress(TaskError):
                    return worker.ask(task, [out.fileno()]) == {"done": {}}

            assert not lists()
            given[0] = guarded.casita("token", "storage", "-q", "--for", "cache").stdout.strip()
            wait_for(lists, 60, "the worker to be let in")
    finally:
        pool.close()


def test_workers_that_were_lent_read_no_more_than_a_request_may(tmp_path):
    with running(settings(tmp_path, {"executor": "cluster"}, environment=FOR_CACHE)) as client:
        loans, narrow = f"{PREFIX}/loans", {"X-Scopes": "storage.read:/store/cms"}
        body = {"selection": RAW, "codegen": "uproot-raw", "file-list": ["root://far.org//a.root"]}
        both = [
            client.post(f"{PREFIX}/requests", json=body, headers=one).json()["id"]
            for one in (narrow, {})
        ]
        assert client.post(loans).json()["replicas"] == body["file-list"]
        assert client.post(loans).status_code == 204
        states = [client.get(f"{PREFIX}/requests/{one}").json() for one in both]
        assert [one["state"] for one in states] == ["Fatal", "Running"]
        assert "part of what its user may read" in states[0]["trouble"]
        again = client.post(f"{PREFIX}/requests", json=body, headers=narrow).json()["id"]
        assert client.post(loans, headers=narrow).status_code == 200
        assert client.get(f"{PREFIX}/requests/{again}").json()["state"] == "Running"
