"""Clusters in a user's Jupyter server, on a real facility and on a gateway that misbehaves."""

import asyncio
import itertools
import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx
import pytest
from tests.extensions.servers import error, log_in, told
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from casita.client import session
from casita.jupyter.testing import running_server
from casita.testing import wait_for
from casita_clusters.client import Clusters


@pytest.fixture(scope="module")
def home(facility, tmp_path_factory):
    """The home folder of a person who is logged in at the shared facility."""
    folder = tmp_path_factory.mktemp("home")
    log_in(facility, folder)
    return folder


@pytest.fixture(scope="module")
def server(home):
    with running_server(home) as running:
        yield running


@pytest.fixture(scope="module")
def terminal(facility):
    """The same person's clusters, as another program sees them."""
    with facility.login() as person:
        token = person.token("terminal", 3600)
    with session(facility.url, token) as http:
        yield Clusters(http, facility.site.gateway_url)


@pytest.fixture(scope="module")
def cluster(terminal):
    """The name of a cluster that was made elsewhere, with one worker."""
    name = terminal.create()
    try:
        terminal.wait(name)
        terminal.scale(name, 1)
        terminal.wait(name, workers=1)
        yield name
    finally:
        terminal.stop(name)


def seen(server, name):
    """Return a cluster as the overview has it, or None."""
    overview = server.http.get("clusters").json()
    assert overview["problem"] is None, overview
    return next((one for one in overview["clusters"] if one["name"] == name), None)


def follow(server, wanted, seconds=30):
    """Return the first event for which ``wanted(name, content)``, and those before."""
    before = []
    for name, content in told(server, "clusters", seconds):
        if wanted(name, content):
            return content, before
        before.append((name, content))
        assert len(before) < 1000
    raise AssertionError(f"the stream ended after {before}")


# ---- lists and changes


def test_clusters_made_elsewhere_are_listed(server, cluster):
    mine = seen(server, cluster)
    assert (mine["status"], mine["workers"], mine["cores"]) == ("running", 1, 1)
    assert mine["memory"] == 2 * 2**30
    assert mine["tasks"] == {"waiting": 0, "processing": 0, "memory": 0, "erred": 0}
    limits = server.http.get("clusters").json()["limits"]
    assert limits["clusters"]["used"] >= 1


def test_a_restarted_server_lists_the_same(home, server, cluster):
    with running_server(home) as other:
        assert seen(other, cluster)["name"] == cluster


def test_nobody_comes_in_without_login(server, cluster):
    for path in ("facility", "events", "clusters", "clusters/form",
                 f"clusters/{cluster}/logs", f"clusters/{cluster}/logs/events",
                 f"clusters/{cluster}/pages", f"clusters/{cluster}/environment"):  # fmt: skip
        answer = httpx.get(f"{server.url}casita/{path}")
        assert answer.status_code == 403, path
        assert cluster not in answer.text
    assert httpx.post(f"{server.url}casita/clusters").status_code == 403
    assert httpx.delete(f"{server.url}casita/clusters/{cluster}").status_code == 403
    assert seen(server, cluster)


def test_a_new_cluster_is_answered_at_once_and_gets_its_workers(server, cluster):
    made = server.http.post("clusters", json={"workers": 1, "options": {"worker_memory": 1}})
    assert made.status_code == 201, made.text
    name = made.json()["name"]
    assert made.json()["status"] == "pending"

    def equipped(kind, overview):
        assert kind == "clusters"
        return any(one["name"] == name and one["workers"] == 1 for one in overview["clusters"])

    overview, before = follow(server, equipped)
    assert before, "the overview is sent at once, too"
    assert {one["name"] for one in overview["clusters"]} == {cluster, name}
    assert overview["limits"]["cores"]["used"] == 2

    assert server.http.delete(f"clusters/{name}").status_code == 204
    follow(server, lambda _, all: len(all["clusters"]) == 1)
    assert server.http.delete(f"clusters/{name}").status_code == 204  # nothing to stop any more


def test_adaptive_from_the_start(server, terminal):
    wish = {"adaptive": {"minimum": 1, "maximum": 2}}
    name = server.http.post("clusters", json=wish).json()["name"]
    try:
        wait_for(lambda: (seen(server, name) or {}).get("workers") == 1, 30, "the minimum")
    finally:
        terminal.stop(name)


def test_scale_and_adapt(server, cluster):
    def workers():
        return seen(server, cluster)["workers"]

    path = f"clusters/{cluster}"
    assert server.http.post(f"{path}/scale", json={"workers": 2}).json() == {"message": ""}
    wait_for(lambda: workers() == 2, 30, "two workers")
    bounds = {"minimum": 1, "maximum": 3}
    assert server.http.post(f"{path}/adapt", json=bounds).json() == {"message": ""}
    wait_for(lambda: workers() == 1, 30, "the minimum, without load")
    assert seen(server, cluster)["adaptive"] == bounds
    assert server.http.delete(f"{path}/adapt").json() == {"message": ""}
    wait_for(lambda: seen(server, cluster)["adaptive"] is None, 10, "its end")
    assert (workers(), seen(server, cluster)["wanted"]) == (1, 1)
    assert server.http.post(f"{path}/scale", json={"workers": 1}).status_code == 200
    wait_for(lambda: workers() == 1, 30, "one worker")


def test_the_form_is_the_gateways(server):
    form = server.http.get("clusters/form").json()
    fields = {one["field"]: one for one in form["options"]}
    assert fields["worker_cores"]["max"] == 4
    assert fields["environment"]["choices"] == ["casita"]
    assert form["limits"]["cores"]["limit"] >= 1


def test_refusals_say_what_is_wrong(server, cluster):
    before = {one["name"] for one in server.http.get("clusters").json()["clusters"]}
    most = server.http.get("clusters/form").json()["limits"]["cores"]["limit"]
    for body, status, sentence in (
        ({"workers": 99}, 409, "99 workers are more than you may have: your clusters use 1 of"),
        ({"adaptive": {"minimum": 99}}, 409, "99 workers are more than you may have"),
        ({"workers": -1}, 422, "workers: Input should be greater than or equal to 0"),
        ({"workers": "many"}, 422, "workers: Input should be a valid integer"),
        ({"options": {"worker_cores": 99}}, 422, "worker_cores must be <= 4"),
        ({"options": {"worker_cores": "x"}, "workers": 1}, 422, "worker_cores"),
        ({"options": {"nonsense": 1}}, 422, "nonsense"),
    ):
        said = error(server.http.post("clusters", json=body), status)
        assert sentence in said["message"], said
    said = error(server.http.post("clusters", content=b"no json"), 422)
    assert "Invalid JSON" in said["message"]
    said = error(server.http.post(f"clusters/{cluster}/scale", json={"workers": most + 1}), 409)
    assert f"{most + 1} workers of 1 core and 2 GiB are more than you may have" in said["message"]
    bounds = {"minimum": 3, "maximum": 1}
    said = error(server.http.post(f"clusters/{cluster}/adapt", json=bounds), 422)
    assert said["message"] == "maximum: 1 is less than the minimum 3"
    assert {one["name"] for one in server.http.get("clusters").json()["clusters"]} == before


def test_clusters_that_one_does_not_have(server):
    http, hint = server.http, "`casita clusters list` shows yours"
    for answer in (
        http.post("clusters/nothing/scale", json={"workers": 1}),
        http.post("clusters/nothing/adapt", json={"minimum": 1}),
        http.delete("clusters/nothing/adapt"),
        http.get("clusters/nothing/logs"),
        http.get("clusters/nothing/logs/events"),
    ):
        said = error(answer, 404)
        assert (said["message"], said["hint"]) == ("you have no cluster 'nothing'", hint)
    for what in ("pages", "environment"):
        assert "no cluster 'nothing'" in error(http.get(f"clusters/nothing/{what}"), 404)["message"]
    for path in ("clusters/..%2Flimits/logs", "clusters/%2E%2E/logs"):
        assert http.get(path).status_code == 404


# ---- logs, pages, environment


def test_logs(server, cluster):
    found = server.http.get(f"clusters/{cluster}/logs", params={"lines": 3}).json()
    texts = {one["process"].partition("-")[0]: one["text"] for one in found["logs"]}
    assert set(texts) == {"scheduler", "worker"}
    assert len(texts["scheduler"].splitlines()) == 3
    for lines in ("0", "9999", "x"):
        said = error(server.http.get(f"clusters/{cluster}/logs", params={"lines": lines}), 422)
        assert said["message"] == f"lines: must be 1 to 5000, not '{lines}'"


def test_logs_are_followed_until_the_cluster_ends(server, terminal):
    name = terminal.create()
    terminal.wait(name)
    lines = []
    stopped = False
    for kind, content in server.events(f"clusters/{name}/logs/events"):
        if kind == "log" and content["process"] == "scheduler":
            lines += content["text"].splitlines()
        elif kind == "status" and content["status"] == "running":
            terminal.scale(name, 1)
        elif kind == "status" and content["status"] in ("stopping", "stopped"):
            break
        if not stopped and any("Register worker" in one for one in lines):
            log = terminal.logs(name, 500)
            terminal.stop(name)
            stopped = True
    whole = next(one.text for one in log.logs if one.process == "scheduler").splitlines()
    assert lines[: len(whole)] == whole  # each once, in order


def test_pages_are_named_for_people(server, cluster):
    pages = wait_for(lambda: server.http.get(f"clusters/{cluster}/pages").json(), 20, "pages")
    assert pages[0] == {"title": "Task stream", "path": "individual-task-stream"}
    titles = [one["title"] for one in pages]
    assert len(set(titles)) == len(titles)
    assert not any("Individual" in one for one in titles)
    assert {"Progress", "Memory of workers", "Status (whole page)"} <= set(titles)
    assert "GPU" in titles[-2]


def test_a_shared_environment_has_no_differences(server, cluster):
    answer = server.http.get(f"clusters/{cluster}/environment")
    assert answer.json() == {"shared": True, "differences": []}


def test_dashboards_come_through_the_users_own_server(server, cluster):
    prefix = f"clusters/{cluster}/dashboard/"
    wait_for(lambda: server.http.get(f"clusters/{cluster}/pages").json(), 20, "pages")
    page = server.http.get(f"{prefix}individual-task-stream", params={"theme": "dark_minimal"})
    assert page.status_code == 200
    assert "Bokeh" in page.text
    policy = page.headers["Content-Security-Policy"]
    own = f"{server.url}casita/{prefix}"
    assert f"connect-src {own} ws{own.removeprefix('http')};" in policy
    assert "frame-ancestors 'self'" in policy
    assert server.http.get(f"{prefix}json/counts.json").json()["workers"] == 1
    first = server.http.get(prefix)
    assert (first.status_code, first.headers["Location"]) == (302, f"/casita/{prefix}status")
    info = server.http.get(f"{prefix}info", follow_redirects=True)
    assert str(info.url) == f"{own}info/main/workers.html"


def test_a_dashboard_that_is_not_there_is_explained(server, cluster):
    for path, words in (
        ("clusters/nothing/dashboard/status", "The cluster has been stopped"),
        (f"clusters/{cluster}/dashboard/nonsense", "no such page"),
        (f"clusters/{cluster}/dashboard/..%2F..%2Fapi%2Fv1%2Flimits", "This dashboard is gone"),
        (f"clusters/{cluster}/dashboard/a/%2e%2e/%2e%2e/x", "This dashboard is gone"),
    ):
        answer = server.http.get(path)
        assert answer.status_code == 404, path
        assert words in answer.text
        assert "sandbox" in answer.headers["Content-Security-Policy"]
    strange = server.http.get("clusters/a;b/dashboard/status")
    assert strange.status_code == 404


def test_nobody_sees_a_dashboard_without_login(server, cluster):
    path = f"{server.url}casita/clusters/{cluster}/dashboard/status"
    assert httpx.get(path).status_code == 403
    assert httpx.get(path, headers={"Authorization": "token wrong"}).status_code == 403
    answer = httpx.get(path, headers={"Sec-Fetch-Mode": "navigate"})  # a person, who can log in
    assert answer.status_code == 302
    assert urlsplit(answer.headers["Location"]).path == "/login"
    socket = f"{server.url}casita/clusters/{cluster}/dashboard/eventstream"
    for headers, status in (({}, 403), ({"Authorization": "token wrong"}, 403),
                            ({"Cookie": "_xsrf=x", "Origin": server.url[:-1]}, 403)):  # fmt: skip
        assert handshake(socket, headers) == status
    mine = {"Authorization": f"token {server.token}"}
    assert handshake(socket, {**mine, "Origin": "http://evil.example"}) == 403
    assert handshake(socket, mine) == 101


def handshake(url, headers):
    """Return the status with which a websocket is opened, or not."""

    async def main():
        request = HTTPRequest(f"ws{url.removeprefix('http')}", headers=headers)
        request.follow_redirects = False
        try:
            socket = await websocket_connect(request)
        except HTTPClientError as error:
            return error.code
        socket.write_message('{"name": "ping"}')
        while "pong" not in await socket.read_message():
            pass
        socket.close()
        return 101

    return asyncio.run(asyncio.wait_for(main(), 20))


def test_a_cluster_is_renamed(server, cluster):
    answer = server.http.patch(f"clusters/{cluster}", json={"label": "fit of the top"})
    assert (answer.status_code, answer.json()["label"]) == (200, "fit of the top")
    assert seen(server, cluster)["label"] == "fit of the top"
    long = server.http.patch(f"clusters/{cluster}", json={"label": "x" * 61})
    assert error(long, 422)["message"].startswith("label: ")


def test_stop_all(server, terminal, facility):
    """The last test with the shared facility's clusters."""
    made = [server.http.post("clusters", json={}).json()["name"] for _ in range(2)]
    assert server.http.delete("clusters").status_code == 204
    wait_for(lambda: not terminal.list(), 30, "the end of all clusters")
    assert all(seen(server, name) is None for name in made)


# ---- a gateway that misbehaves


class FakeGateway:
    """Answers as told to; ``answers`` holds (status, content) by path."""

    def __init__(self):
        self.answers = {
            "/api/v1/clusters/": (200, {}),
            "/api/v1/limits": (200, dict.fromkeys(("clusters", "cores", "memory"), NONE)),
        }
        self.asked = []
        self.released = threading.Event()
        self.released.set()


NONE = {"used": 0, "limit": 0}
RUNNING = {
    "name": "abc",
    "status": "RUNNING",
    "start_time": 1767225600000,
    "options": {"worker_cores": 1, "label": "mine"},
}
BUSY = {"waiting": 0, "processing": 3, "memory": 0, "erred": 0}


@contextmanager
def fake_gateway():
    told = FakeGateway()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.partition("?")[0].removeprefix("/services/dask-gateway")
            told.asked.append(self.path)
            told.released.wait(60)
            status, content = told.answers.get(path, (404, {"error": "nothing"}))
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_DELETE = do_PATCH = do_GET

        def log_message(self, *words):
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        told.url = f"http://127.0.0.1:{http.server_port}"
        try:
            yield told
        finally:
            told.released.set()
            http.shutdown()


@pytest.fixture
def gateway():
    with fake_gateway() as told:
        yield told


@pytest.fixture
def lonely(gateway, tmp_path):
    """A server inside a facility that consists of the fake gateway."""
    variables = {
        "CASITA_URL": gateway.url,
        "DASK_GATEWAY__ADDRESS": f"{gateway.url}/services/dask-gateway",
        "JUPYTERHUB_API_TOKEN": "t0ken",
        "JUPYTERHUB_USER": "ann",
    }
    with running_server(tmp_path, variables) as running:
        yield running


def test_a_slow_gateway_does_not_hold_the_server_up(lonely, gateway):
    assert lonely.http.get("clusters").json()["problem"] is None
    gateway.released.clear()
    with ThreadPoolExecutor(4) as pool:
        slow = [
            pool.submit(lonely.http.get, f"clusters{path}") for path in ("", "/form", "/a/logs")
        ]
        wait_for(lambda: sum("clusters" in one for one in gateway.asked) >= 3, 10, "requests")
        for _ in range(3):
            assert lonely.http.get(f"{lonely.url}api/status", timeout=5).is_success
        assert not any(one.done() for one in slow)
        gateway.released.set()
        assert [one.result().status_code for one in slow] == [200, 502, 404]


def test_a_gateway_that_is_down_is_told_and_the_list_stays(lonely, gateway):
    gateway.answers["/api/v1/clusters/"] = (200, {"abc": RUNNING})
    known = lonely.http.get("clusters").json()["clusters"]
    assert [(one["name"], one["label"], one["workers"]) for one in known] == [("abc", "mine", None)]
    assert "label" not in known[0]["options"]
    for status, content, message in (
        (503, {"error": {"message": "the gateway restarts", "hint": "wait"}}, "restarts"),
        (200, b"<html>", "answers something else than a facility does"),
        (200, {"abc": {"name": 1}}, "is none that this casita understands"),
    ):
        gateway.answers["/api/v1/clusters/"] = (status, content)
        overview = lonely.http.get("clusters").json()
        assert message in overview["problem"]["message"]
        assert overview["problem"]["hint"]
        assert overview["clusters"] == known
    gateway.answers["/api/v1/clusters/"] = (200, {})
    assert lonely.http.get("clusters").json()["problem"] is None


def test_a_server_without_gateway_still_answers(tmp_path):
    nobody = "http://127.0.0.1:9"
    variables = {
        "CASITA_URL": nobody,
        "DASK_GATEWAY__ADDRESS": f"{nobody}/services/dask-gateway",
        "JUPYTERHUB_API_TOKEN": "t0ken",
    }
    with running_server(tmp_path, variables) as server:
        ((_, overview),) = itertools.islice(told(server, "clusters"), 1)
        assert overview["problem"]["message"].startswith("nobody answers at http://127.0.0.1:9")
        assert error(server.http.post("clusters", json={}), 502)["code"] == "unavailable"


def test_another_users_cluster_is_refused(lonely, gateway):
    said = "User ann lacks permissions to view cluster abc"
    gateway.answers["/api/v1/clusters/abc/logs"] = (403, {"error": said})
    assert error(lonely.http.get("clusters/abc/logs"), 403)["message"] == said


def test_schedulers_tell_of_their_clusters(lonely, gateway):
    gateway.answers["/api/v1/clusters/"] = (200, {"abc": RUNNING})
    gateway.answers["/clusters/abc/casita/facts.json"] = (200, {
        "workers": 2, "cores": 4, "memory": 2**30, "memory_used": 100 * 2**20 + 5, "tasks": BUSY,
        "wanted": 3, "adaptive": {"minimum": 1, "maximum": None}, "idle_ends": 1767229200.0,
    })  # fmt: skip
    (mine,) = lonely.http.get("clusters").json()["clusters"]
    assert (mine["workers"], mine["wanted"], mine["cores"], mine["memory"]) == (2, 3, 4, 2**30)
    assert mine["memory_used"] == 96 * 2**20  # in steps of 16 MiB
    assert mine["tasks"] == BUSY
    assert mine["adaptive"] == {"minimum": 1, "maximum": None}
    assert mine["idle_ends"] == "2026-01-01T01:00:00Z"


def test_a_server_whose_cluster_computes_is_in_use(lonely, gateway):
    def last_activity():
        return lonely.http.get(f"{lonely.url}api/status").json()["last_activity"]

    def look():
        return [lonely.http.get(one).status_code for one in ("clusters", "clusters/form")]

    gateway.answers["/api/v1/clusters/"] = (200, {"abc": RUNNING})
    gateway.answers["/clusters/abc/json/counts.json"] = (200, {"workers": 1, "cores": 1, **IDLE})
    before = last_activity()
    look()
    assert last_activity() == before, "looking is no use"
    gateway.answers["/clusters/abc/json/counts.json"] = (200, {"workers": 1, "cores": 1, **BUSY})
    look()
    assert last_activity() > before
    during = last_activity()
    gateway.answers["/clusters/abc/json/counts.json"] = (200, {"workers": 1, "cores": 1, **IDLE})
    look()
    assert last_activity() == during


IDLE = dict.fromkeys(BUSY, 0)


def test_an_idle_page_asks_and_is_told_little(lonely, gateway):
    """Events come only when something changed."""
    gateway.answers["/api/v1/clusters/"] = (200, {"abc": RUNNING})
    assert lonely.http.get("clusters").json()["clusters"]
    events = told(lonely, "clusters")
    assert next(events)[1]["clusters"]
    looks = len(gateway.asked)
    wait_for(lambda: len(gateway.asked) > looks + 12, 20, "further looks")
    gateway.answers["/api/v1/clusters/"] = (200, {})
    assert next(events)[1]["clusters"] == []
    events.close()


def test_workers_that_are_refused_later_end_the_cluster_with_the_reason(lonely, gateway):
    answers = gateway.answers
    room = {"used": 0, "limit": 2**40}
    answers["/api/v1/limits"] = (200, {"clusters": room, "cores": room, "memory": room})
    answers["/api/v1/options"] = (200, {"cluster_options": []})
    listed = {"name": "abc", "abc": {**RUNNING, "start_time": 4102444800000}}
    answers["/api/v1/clusters/abc"] = (200, listed["abc"])
    answers["/api/v1/clusters/"] = (200, {"name": "abc"})  # the answer to the request for one
    answers["/api/v1/clusters/abc/scale"] = (409, {"error": "2 workers are too many"})
    made = lonely.http.post("clusters", json={"workers": 2, "options": {"label": "mine"}})
    assert made.status_code == 201, made.text
    answers["/api/v1/clusters/"] = (200, {})
    overview, _ = follow(lonely, lambda _, all: all["failures"])
    (failure,) = overview["failures"]
    assert (failure["name"], failure["label"]) == ("abc", "mine")
    assert failure["reason"] == "2 workers are too many"
    assert "fewer workers" in failure["hint"]


def test_streams_end_with_the_server(gateway, tmp_path):
    variables = {
        "CASITA_URL": gateway.url,
        "DASK_GATEWAY__ADDRESS": f"{gateway.url}/services/dask-gateway",
        "JUPYTERHUB_API_TOKEN": "t0ken",
    }
    with running_server(tmp_path, variables) as server:
        events = told(server, "clusters")
        next(events)
        os.kill(server.pid, signal.SIGTERM)
        assert list(events) == [], "a stream that is broken off would raise"
    log = server.log.read_text()
    assert "Traceback" not in log
    assert "was never retrieved" not in log
    assert "was destroyed" not in log
