"""The facility's header in a user's Jupyter server."""

import asyncio
import itertools
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from casita.errors import CasitaError, DataError, LoginError, MissingError, ServiceError
from casita.jupyter import state
from casita.jupyter.handlers import answer_for
from casita.jupyter.testing import running_server
from casita.jupyter.watch import Watch
from casita.testing import wait_for

NOW = datetime(2026, 1, 2, 10, 20, 45, tzinfo=UTC)
CLUSTERS = {"name": "clusters", "title": "Dask clusters", "state": "on"}
CACHE = {"name": "cache", "title": "Cache", "state": "off"}
MODULE = "casita_clusters.handlers"


# ---- pure


def test_an_idle_server_ends_rather_too_early_than_too_late():
    assert state.idle_end(NOW, 3600) == datetime(2026, 1, 2, 11, 20, tzinfo=UTC)
    assert state.idle_end(NOW, 90) == NOW + timedelta(seconds=90)
    assert state.idle_end(NOW + timedelta(seconds=10), 3600) == state.idle_end(NOW, 3600)


@pytest.mark.parametrize(
    ("text", "timeout"), [("3600", 3600), ("0", None), ("", None), ("x", None)]
)
def test_idle_timeouts(text, timeout):
    assert state.idle_timeout({"CASITA_IDLE_TIMEOUT": text}) == timeout


def backends(loaded=(), enabled=None, listed=(CLUSTERS, CACHE)):
    environment = {"CASITA_BACKENDS": json.dumps(listed)}
    return {one.name: one for one in state.backends(environment, loaded, enabled or {})}


def test_backends_that_are_on_off_or_broken():
    found = backends(loaded={"clusters"}, enabled={MODULE: True})
    assert (found["clusters"].state, found["clusters"].reason) == ("on", "")
    assert found["cache"].state == "off"
    assert "operator" in found["cache"].reason
    assert "[backends.cache]" in found["cache"].remedy
    for enabled, words in (
        ({MODULE: True}, "failed to load"),
        ({MODULE: False}, "is disabled"),
        ({}, "could not import"),
    ):
        broken = backends(enabled=enabled)["clusters"]
        assert broken.state == "broken"
        assert words in broken.reason
        assert broken.remedy
    stranger = {"name": "stranger", "title": "Stranger", "state": "on"}
    unknown = backends(listed=[stranger])["stranger"]
    assert (unknown.state, "not installed" in unknown.reason) == ("broken", True)


def test_without_a_facility_all_that_is_installed_counts():
    found = {one.name: (one.title, one.state) for one in state.backends({}, {"clusters"}, {})}
    assert found == {
        "clusters": ("Dask clusters", "on"),
        "cache": ("Cache", "broken"),
        "columns": ("Column delivery", "broken"),
    }


def test_errors_have_the_status_that_fits():
    for error, status in (
        (MissingError("x"), 404),
        (LoginError("x"), 403),
        (ServiceError("x", status=409), 409),
        (ServiceError("x", status=404), 502),
        (ServiceError("x", status=500), 502),
        (ServiceError("x"), 502),
        (DataError("x"), 422),
        (CasitaError("x"), 422),
        (ValueError("x"), 500),
    ):
        assert answer_for(error)[0] == status, error


class Counted(Watch[list]):
    """Sees how often it has looked, until told otherwise."""

    def __init__(self):
        super().__init__()
        self.looks = 0
        self.value = []
        self.trouble = None

    async def look(self):
        self.looks += 1
        await asyncio.sleep(0)
        if self.trouble:
            raise self.trouble
        return list(self.value)

    def pause(self):
        return 0.01


def test_a_watch_tells_all_followers_of_changes_only():
    async def main():
        watch = Counted()
        running = asyncio.create_task(watch.run())
        first, second = watch.follow(), watch.follow()
        assert [await anext(first), await anext(second)] == [[], []]
        assert watch.followers == 2
        coming = [asyncio.ensure_future(anext(one)) for one in (first, second)]
        looks = watch.looks
        while watch.looks < looks + 5:
            await asyncio.sleep(0.01)
        assert not any(one.done() for one in coming)
        watch.trouble = RuntimeError("a bug")  # logged, and no end
        await asyncio.sleep(0.05)
        watch.trouble, watch.value = None, [1]
        assert await asyncio.gather(*coming) == [[1], [1]]
        await first.aclose()
        await second.aclose()
        assert watch.followers == 0
        running.cancel()

    asyncio.run(asyncio.wait_for(main(), 20))


def test_looks_that_are_asked_for_together_are_one():
    async def main():
        watch = Counted()
        await asyncio.gather(*(watch.fresh() for _ in range(10)))
        assert watch.looks <= 2  # the one under way, and one for all that came meanwhile
        watch.seen, watch.trouble = None, LoginError("nobody is logged in")
        with pytest.raises(LoginError):
            await anext(watch.follow())
        assert watch.followers == 0

    asyncio.run(asyncio.wait_for(main(), 20))


# ---- a server outside of any facility


def test_outside_a_facility_it_says_what_to_do(tmp_path):
    with running_server(tmp_path) as server:
        answer = server.http.get("facility")
        assert answer.status_code == 403
        said = answer.json()["error"]
        assert said["message"] == "not logged in to a facility"
        assert said["hint"] == "casita login URL"
        first, second = itertools.islice(server.events("events?watch=facility"), 2)
        assert first == ("watches", {"names": ["facility"]})
        assert second == ("trouble", {"watch": "facility", **said})
        unknown = server.http.get("events?watch=nothing")
        assert unknown.status_code == 422
        assert "there is no 'nothing'" in unknown.json()["error"]["message"]
        assert server.http.get("clusters").json()["problem"]["hint"] == "casita login URL"


def test_a_backend_that_is_disabled_or_fails_is_explained_and_leaves_the_rest_up(tmp_path):
    variables = {
        "CASITA_URL": "http://127.0.0.1:9",
        "DASK_GATEWAY__ADDRESS": "http://127.0.0.1:9/services/dask-gateway",
        "JUPYTERHUB_API_TOKEN": "t0ken",
        "JUPYTERHUB_USER": "ann",
        "CASITA_NAME": "Test",
        "CASITA_PROFILE": "multiuser",
        "CASITA_IDLE_TIMEOUT": "7200",
        "CASITA_BACKENDS": json.dumps([CLUSTERS, CACHE]),
    }
    option = f"--ServerApp.jpserver_extensions={MODULE}=False"
    with running_server(tmp_path, variables, option) as server:
        found = server.http.get("facility").json()
        assert server.http.get("clusters").status_code == 404
    assert (found["name"], found["user"], found["profile"]) == ("Test", "ann", "multiuser")
    assert found["server_idle_timeout"] == 7200
    left = datetime.fromisoformat(found["server_idle_ends"]) - datetime.now(UTC)
    assert timedelta(seconds=7000) < left <= timedelta(seconds=7200)
    clusters, cache = found["backends"]
    assert (clusters["state"], cache["state"]) == ("broken", "off")
    assert MODULE in clusters["reason"]
    assert f"enable {MODULE}" in clusters["remedy"]


# ---- a user's server in a facility


@pytest.fixture(scope="module")
def mine(admin):
    """HTTP session with the routes of the administrator's own server."""
    token = admin.token("test", 600)
    base = f"{admin.url}/user/{admin.user}/casita/"
    headers = {"Authorization": f"token {token}"}
    with httpx.Client(base_url=base, headers=headers, timeout=30, trust_env=False) as http:
        yield http


def test_the_header_of_a_users_server(mine, admin):
    found = mine.get("facility").json()
    assert (found["user"], found["url"]) == ("admin", admin.url)
    assert found["token_expires"] is None  # the server's token ends with it
    assert found["name"]
    assert found["profile"] == "embedded"
    left = datetime.fromisoformat(found["server_idle_ends"]) - datetime.now(UTC)
    assert timedelta(0) < left <= timedelta(seconds=found["server_idle_timeout"])
    assert {"clusters": "on"}.items() <= {b["name"]: b["state"] for b in found["backends"]}.items()


def test_extending_tells_the_hub_at_once(mine, admin):
    def hub():
        server = admin.api("GET", f"/users/{admin.user}").json()["servers"][""]
        return datetime.fromisoformat(server["last_activity"])

    before = datetime.now(UTC)
    answer = mine.post("facility/extend")
    assert answer.status_code == 200, answer.text
    assert hub() >= before
    assert answer.json()["user"] == "admin"


def test_looking_does_not_count_as_use(mine, admin):
    status = f"{admin.url}/user/{admin.user}/api/status"
    for path in ("facility", "clusters", "clusters/form", "cache"):
        assert mine.get(path).is_success
    before = mine.get(status).json()["last_activity"]
    for path in ("facility", "clusters", "clusters/form", "cache"):
        mine.get(path)
    server = status.removesuffix("status")
    for path in ("kernels", "sessions", "terminals", "contents"):  # what open pages ask for
        assert mine.get(f"{server}{path}").is_success
    parts = {"facility", "clusters", "cache", "columns"}
    with mine.stream("GET", "events", timeout=10) as answer:
        assert answer.headers["X-Accel-Buffering"] == "no"
        lines = answer.iter_lines()
        assert next(lines) == "event: watches"
        assert set(json.loads(next(lines).removeprefix("data: "))["names"]) == parts
        coming = {f"event: {one}" for one in parts}
        while coming:
            coming.discard(next(lines))
    assert mine.get(status).json()["last_activity"] == before
    mine.post("facility/extend")
    wait_for(lambda: mine.get(status).json()["last_activity"] > before, 5, "activity")
    extended = mine.get(status).json()["last_activity"]
    saved = {"type": "file", "format": "text", "content": "x"}
    assert mine.put(f"{server}contents/used.txt", json=saved).is_success
    assert mine.get(status).json()["last_activity"] > extended


def test_nobody_else_comes_in(mine, admin):
    for path in ("facility", "events", "clusters", "cache"):
        answer = httpx.get(f"{mine.base_url}{path}", headers={"Authorization": "token wrong"})
        assert answer.status_code == 403, path
    assert httpx.post(f"{mine.base_url}facility/extend").status_code == 403
