"""The cache in a user's Jupyter server, on a real facility."""

import itertools
import os
from contextlib import suppress

import httpx
import pytest
from tests.extensions.servers import error, frozen, server_at, told

from casita.testing import wait_for

SIZES = {"a.bin": 3_000_000, "b.bin": 1_000_000, "cms/c.bin": 20_000}


def fill(store):
    for name, size in SIZES.items():
        (store / name).parent.mkdir(exist_ok=True)
        (store / name).write_bytes(os.urandom(size))


@pytest.fixture(scope="module")
def cached(caching):
    with caching(fill) as facility:
        facility.files = {name: f"{facility.origin}//store/{name}" for name in SIZES}
        facility.catalogue(
            {
                "pairs": {
                    "files": {facility.files["a.bin"]: "Events", facility.files["b.bin"]: "Events"},
                    "metadata": {"title": "Top quark pairs", "era": "2018"},
                },
                "gone": {"files": {f"{facility.origin}//store/nothing.bin": "Events"}},
            }
        )
        yield facility


@pytest.fixture(scope="module")
def server(cached, tmp_path_factory):
    with server_at(cached, tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def empty(cached):
    """Nothing is pinned and nothing is cached."""
    cached.casita("cache", "unpin", f"{cached.origin}//store/", check=False)
    cached.casita("cache", "purge", "-y")
    return cached


def overview(server):
    found = server.http.get("cache").json()
    assert found["problem"] is None, found
    return found


def follow(server, wanted, seconds=30):
    """Return the first overview that is wanted, and those before."""
    before = []
    for name, content in told(server, "cache", seconds):
        assert name == "cache"
        if wanted(content):
            return content, before
        before.append(content)
        assert len(before) < 1000
    raise AssertionError(f"no such overview in {before}")


def state_of(server, url):
    folder = url.rpartition("/")[0] + "/"
    found = server.http.get("cache/files", params={"url": folder}).json()
    return next(one for one in found["files"] if one["url"] == url)


# ---- looking


def test_the_overview_holds_origins_and_datasets(server, empty):
    found = overview(server)
    assert found["configured"]
    (origin,) = found["status"]["origins"]
    assert (origin["name"], origin["up"], origin["url"]) == ("local", True, empty.origin)
    assert (origin["cached"], origin["size"]) == (0, 100 * 2**30)
    pairs = next(one for one in found["datasets"] if one["name"] == "pairs")
    assert (pairs["title"], pairs["files"], pairs["fraction"]) == ("Top quark pairs", 2, 0)
    assert not pairs["pinned"]


def test_folders_are_listed_down_to_the_files(server, empty):
    def listing(url):
        return server.http.get("cache/files", params={"url": url}).json()

    (store,) = listing(f"{empty.origin}//")["folders"]
    assert store["path"] == "/store"
    below = listing(store["url"])
    assert [one["path"] for one in below["folders"]] == ["/store/cms"]
    assert below["complete"]
    assert {one["url"]: one["size"] for one in below["files"]} == {
        empty.files[name]: SIZES[name] for name in ("a.bin", "b.bin")
    }
    assert all(one["fraction"] == 0 for one in below["files"])


def test_datasets_are_found_by_words(server, cached):
    def names(search):
        found = server.http.get("cache/datasets", params={"search": search}).json()
        return {one["name"] for one in found}

    assert names("") == {"pairs", "gone"}
    assert names("quark 2018") == {"pairs"}
    assert names("2016") == set()


def test_nobody_comes_in_without_login(server):
    for path in ("cache", "cache/files?url=x", "cache/datasets"):
        assert httpx.get(f"{server.url}casita/{path}").status_code == 403
    for path in ("prefetch", "pin", "unpin", "evict"):
        assert httpx.post(f"{server.url}casita/cache/{path}", json={}).status_code == 403
    assert httpx.delete(f"{server.url}casita/cache/prefetch/abc").status_code == 403


# ---- doing


def test_a_prefetch_is_followed_to_its_end(server, empty):
    made = server.http.post("cache/prefetch", json={"datasets": ["pairs"]})
    assert made.status_code == 201, made.text
    assert made.json()["title"] == "pairs"

    def over(all):
        return all["jobs"] and all["jobs"][0]["state"] == "done"

    found, _ = follow(server, over)
    job = found["jobs"][0]
    assert (job["id"], job["fraction"], job["failures"]) == (made.json()["id"], 1, [])
    assert job["bytes_done"] == SIZES["a.bin"] + SIZES["b.bin"]

    def counted(all):
        return next(one for one in all["datasets"] if one["name"] == "pairs")["fraction"] == 1

    found, _ = follow(server, counted)
    assert found["status"]["origins"][0]["cached"] >= job["bytes_done"]
    assert state_of(server, empty.files["a.bin"])["fraction"] == 1


def test_failures_are_told(server, empty):
    server.http.post("cache/prefetch", json={"datasets": ["gone"]})
    found, _ = follow(server, lambda all: all["jobs"] and all["jobs"][0]["state"] == "failed")
    (failure,) = found["jobs"][0]["failures"]
    assert failure["url"].endswith("/nothing.bin")
    assert "no such file" in failure["message"]


def test_a_prefetch_is_cancelled(server, empty):
    with frozen(empty):
        made = server.http.post("cache/prefetch", json={"urls": list(empty.files.values())})
        job = made.json()["id"]
        follow(server, lambda all: any(one["id"] == job for one in all["jobs"]))
        assert server.http.delete(f"cache/prefetch/{job}").status_code == 204
    found, _ = follow(
        server,
        lambda all: any((one["id"], one["state"]) == (job, "cancelled") for one in all["jobs"]),
    )
    assert found["jobs"][0]["fraction"] <= 1
    assert "no prefetch" in error(server.http.delete("cache/prefetch/nothing"), 404)["message"]


def test_files_are_pinned_unpinned_and_evicted(server, empty):
    http, url = server.http, empty.files["a.bin"]
    pinned = http.post("cache/pin", json={"urls": [url]})
    assert (pinned.status_code, pinned.json()["files"]) == (201, 1)
    wait_for(lambda: state_of(server, url)["fraction"] == 1, 20, "the file")
    assert state_of(server, url)["pinned"]
    kept = http.post("cache/evict", json={"urls": [url]}).json()
    assert (kept["files"], kept["kept"]) == (0, 1)
    assert http.post("cache/unpin", json={"urls": [url]}).json()["files"] == 1
    gone = http.post("cache/evict", json={"urls": [url]}).json()
    assert (gone["files"], gone["kept"]) == (1, 0)
    assert gone["bytes"] >= SIZES["a.bin"]
    assert state_of(server, url)["fraction"] == 0


def test_what_is_wrong_is_named(server, cached):
    http = server.http
    for path in ("prefetch", "pin", "unpin", "evict"):
        assert "name at least one" in error(http.post(f"cache/{path}", json={}), 422)["message"]
    assert "Invalid JSON" in error(http.post("cache/pin", content=b"no"), 422)["message"]
    assert error(http.post("cache/pin", json={"urls": "x"}), 422)["message"].startswith("urls: ")
    assert error(http.get("cache/files"), 422)["message"].startswith("url: ")
    assert error(http.get("cache/datasets", params={"search": "x" * 201}), 422)
    unknown = http.post("cache/prefetch", json={"datasets": ["nonsense"]})
    assert "nonsense" in error(unknown, 404)["message"]
    other = http.get("cache/files", params={"url": "root://far.example.org//"})
    said = error(other, 404)
    assert "no cache of this facility is for that server" in said["message"]
    assert cached.origin in said["hint"]


def test_who_lacks_the_right_is_told_which(cached, tmp_path):
    """A person who may read, and no more."""
    with cached.login() as person:
        person.api("POST", "/users/ann")
        made = person.api("POST", "/users/ann/tokens", json={"expires_in": 3600})
    with server_at(cached, tmp_path, made.json()["token"]) as server:
        url = cached.files["b.bin"]
        assert overview(server)["configured"]
        assert state_of(server, url)["size"] == SIZES["b.bin"]
        assert server.http.post("cache/prefetch", json={"urls": [url]}).status_code == 201
        for path in ("pin", "unpin", "evict"):
            said = error(server.http.post(f"cache/{path}", json={"urls": [url]}), 403)
            assert "lacks the scope storage.stage:/store/b.bin" in said["message"]


def test_a_facility_without_origins_says_so(facility, tmp_path):
    with server_at(facility, tmp_path) as server:
        found = overview(server)
        assert not found["configured"]
        said = error(server.http.get("cache/files", params={"url": "root://x//"}), 404)
        assert said["message"] == "this facility has no cache"
        assert "[backends.cache.origins.NAME]" in said["hint"]


def test_changes_only_are_told(server, empty):
    contents = []
    with suppress(httpx.ReadTimeout):
        for _, content in told(server, "cache", 6):
            contents.append(content)
            assert len(contents) < 20
    assert contents
    assert all(one != two for one, two in itertools.pairwise(contents))
