"""The file with a storage token: always whole, renewed in time, and its user's own if they like."""

import json
import logging
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import jwt
import pytest

from casita import bearer
from casita.bearer import Keeper
from casita.gateway import bearer as preload
from casita.jupyter.bearer import keeper_of
from casita.testing import wait_for

ISSUER = "http://127.0.0.1/services/tokens"


class Issuer:
    """Makes tokens of a short life, or fails."""

    def __init__(self, life=2.0, iss=ISSUER, **changes):
        self.life, self.iss, self.made, self.broken = life, iss, 0, False
        self.changes = changes

    def __call__(self):
        if self.broken:
            raise OSError("the issuer is away")
        self.made += 1
        now = time.time()
        content = {"iss": self.iss, "iat": now, "exp": now + self.life, "jti": str(self.made)}
        return jwt.encode(content | self.changes, "x" * 32, algorithm="HS256")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "bt_u1"


def number(path):
    return int(bearer.claims(bearer.read(path)).get("jti", 0))


def test_it_is_private_and_always_whole(path):
    issuer = Issuer(life=0.002)
    keeper = Keeper(path, issuer)
    keeper.renew()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    parts, over = [], threading.Event()

    def look():
        while not over.is_set():
            parts.append(len(bearer.read(path)) < 50 or not bearer.claims(bearer.read(path)))

    watcher = threading.Thread(target=look)
    watcher.start()
    while issuer.made < 200 or len(parts) < 200:
        keeper.renew()
    over.set()
    watcher.join()
    assert not any(parts)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_it_is_renewed_at_half_its_life(path):
    issuer = Issuer(life=100)
    assert Keeper(path, issuer).renew() == pytest.approx(50, abs=1)
    issuer = Issuer(life=3)
    path.unlink()
    keeper = Keeper(path, issuer)
    keeper.start()
    try:
        wait_for(lambda: number(path) >= 3, 10, "renewals")
    finally:
        keeper.stop()
    assert issuer.made <= 4


def test_failures_are_got_over(path, caplog):
    issuer = Issuer(life=100)
    issuer.broken = True
    keeper = Keeper(path, issuer)
    with caplog.at_level(logging.WARNING):
        assert [keeper.renew() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert len(caplog.records) == 1  # said once
    assert keeper.trouble == "the issuer is away"
    issuer.broken = False
    assert keeper.renew() > 40
    assert keeper.trouble == ""


def test_a_file_that_can_t_be_written_is_a_failure_like_others(path):
    """No token a second is made for a disk that is full."""
    path.mkdir(parents=True)  # in its way
    issuer = Issuer(life=100)
    keeper = Keeper(path, issuer)
    assert [keeper.renew() for _ in range(6)] == [1, 2, 4, 8, 16, 30]
    assert keeper.trouble
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    path.rmdir()
    assert keeper.renew() > 40
    assert keeper.trouble == ""


def test_several_keep_one_file(path):
    issuer = Issuer(life=100)
    keepers = [Keeper(path, issuer) for _ in range(5)]
    assert all(one.renew() > 40 for one in keepers)
    assert issuer.made == 1
    path.write_text(Issuer(life=100, iat=time.time() - 60, exp=time.time() + 40)())  # due
    assert all(one.renew() > 40 for one in keepers)
    assert issuer.made == 2


def test_several_that_run_ask_hardly_more_than_one(path):
    issuer = Issuer(life=2)
    keepers = [Keeper(path, issuer) for _ in range(5)]
    keepers[0].renew()
    for one in keepers:
        one.start()
    try:
        wait_for(lambda: number(path) >= 3, 10, "renewals")
    finally:
        for one in keepers:
            one.stop()
    assert issuer.made <= 3 + len(keepers)  # and not five for each


def test_who_stops_asks_no_more(path):
    issuer = Issuer(life=2)
    keeper = Keeper(path, issuer)

    def threads():
        return [one for one in threading.enumerate() if one.name == "casita-bearer"]

    wait_for(lambda: not threads(), 5, "the end of others' threads")
    keeper.start()
    wait_for(lambda: issuer.made, 5, "the first token")
    assert len(threads()) == 1
    keeper.stop()
    wait_for(lambda: not threads(), 5, "the end of its thread")
    assert issuer.made == 1


@pytest.mark.parametrize(
    "odd",
    [
        {"exp": 253402300799},  # the last second of the year 9999
        {"exp": float("inf")},
        {"exp": 10**400},
        {"iat": float("nan")},
        {"exp": "never"},
        {"iat": None},
    ],
)
def test_odd_times_end_no_keeper(path, odd, monkeypatch):
    """Somebody's own token in its place, which is gone later."""
    monkeypatch.setattr(bearer, "LOOK_SECONDS", 0.05)
    issuer = Issuer(life=100)
    path.parent.mkdir()
    path.write_text(Issuer(**odd)())
    keeper = Keeper(path, issuer)
    keeper.start()
    try:
        time.sleep(0.02)
        path.unlink(missing_ok=True)
        wait_for(lambda: number(path) and keeper.renew() > 40, 5, "a token of ours")
    finally:
        keeper.stop()


def test_what_has_expired_is_nobody_s(path):
    """E.g. of a facility that had another address."""
    path.parent.mkdir()
    path.write_text(Issuer(life=-10, iss="https://iam.example.org")())
    Keeper(path, Issuer(life=100)).renew()
    assert bearer.claims(bearer.read(path))["iss"] == ISSUER


@pytest.mark.parametrize("own", ["opaque-token", Issuer(9999, "https://iam.example.org")()])
def test_a_token_of_the_user_s_own_stays(path, own):
    path.parent.mkdir()
    path.write_text(own)
    keeper = Keeper(path, Issuer())
    time.sleep(0.01)
    keeper.renew()
    assert bearer.read(path) == own


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, True),
        ({"BEARER_TOKEN_FILE": "/run/1/bt"}, True),
        ({"BEARER_TOKEN_FILE": "/mine/token"}, False),
        ({"BEARER_TOKEN": "mine"}, False),
        ({"CASITA_TOKEN_FOR": ""}, False),
        ({"CASITA_TOKEN_FILE": ""}, False),
    ],
)
def test_when_a_server_keeps_one(changes, kept):
    environment = {"CASITA_TOKEN_FOR": "cache", "CASITA_TOKEN_FILE": "/run/1/bt"} | changes
    assert (keeper_of(environment) is not None) is kept


class Gateway(BaseHTTPRequestHandler):
    """Stands where the gateway's API is."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked = (self.path, self.headers["Authorization"], json.loads(body))
        right = asked == ("/api/v1/clusters/c1/bearer", "token mine", {"audience": "cache"})
        self.send_response(200 if right else 401)
        self.end_headers()
        self.wfile.write(json.dumps({"access_token": Issuer(life=100)()}).encode())

    def log_message(self, *words):
        pass


@pytest.fixture
def api():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/api"
    server.shutdown()
    server.server_close()


ALONE = f"""
import runpy, sys
names = runpy.run_path({preload.__file__!r})
names["dask_setup"](None)
assert "casita" not in sys.modules
files = [getattr(one, "__file__", None) or "" for one in list(sys.modules.values())]
assert not any("site-packages" in one for one in files)
"""


@pytest.mark.parametrize(
    ("changes", "written"),
    [
        ({}, True),
        ({"http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"}, True),
        ({"DASK_GATEWAY_API_TOKEN": "another"}, False),
        ({"DASK_GATEWAY_API_URL": "http://127.0.0.1:1/api"}, False),
        ({"CASITA_TOKEN_FOR": ""}, False),
        ({"BEARER_TOKEN_FILE": ""}, False),
    ],
)
def test_workers_need_no_casita(api, path, changes, written):
    """The preload needs the standard library only, and no token to start."""
    environment = {
        "CASITA_TOKEN_FOR": "cache",
        "BEARER_TOKEN_FILE": str(path),
        "DASK_GATEWAY_API_URL": api,
        "DASK_GATEWAY_CLUSTER_NAME": "c1",
        "DASK_GATEWAY_API_TOKEN": "mine",
    }
    command = [sys.executable, "-I", "-S", "-c", ALONE]
    subprocess.run(command, check=True, timeout=60, env=environment | changes)
    assert bool(bearer.claims(bearer.read(path))) is written


@pytest.fixture(scope="module")
def clusters(facility):
    """Two clusters, as (address of the route, credential)."""

    def create(_):
        return json.loads(facility.casita("clusters", "create", "--json").stdout)["name"]

    with ThreadPoolExecutor(2) as pool:
        names = list(pool.map(create, range(2)))
    base = f"http://127.0.0.1:{facility.site.ports['gateway']}/api/v1/clusters"
    yield [(f"{base}/{name}/bearer", _credential(facility, name)) for name in names]
    for name in names:
        facility.casita("clusters", "stop", name, check=False)


def ask(url, credential, **more):
    headers = {"Authorization": f"token {credential}"}
    return httpx.post(url, headers=headers, **({"json": {"audience": "cache"}} | more))


def test_a_cluster_gets_its_owner_s(facility, clusters):
    url, credential = clusters[0]
    made = ask(url, credential).json()
    claims = jwt.decode(made["access_token"], options={"verify_signature": False})
    assert claims["sub"] == "admin"
    assert claims["aud"] == f"{facility.url}/services/cache"
    answer = ask(url, credential, json={"audience": "nix"})
    assert answer.status_code == 403
    assert "no tokens are made for 'nix'" in answer.json()["error"]
    # Not through the front door, where nobody is a cluster.
    name = url.split("/")[-2]
    public = f"{facility.url}/services/dask-gateway/api/v1/clusters/{name}/bearer"
    assert ask(public, credential).status_code in (401, 403, 404)


def test_who_is_no_cluster_gets_nothing(facility, clusters):
    (url, credential), (other, others) = clusters
    hub_token = facility.casita("token", "create", "-q").stdout.strip()
    assert credential != others
    odd = ["", "token", "token wrong", "odd", f"Bearer {credential}", credential]
    odd += [f"token {others}", f"token  {credential}", f"Basic {credential}", f"token {hub_token}"]
    for sent in [*map(str.encode, odd), b"token \xff\xfe", "token é".encode()]:
        answer = httpx.post(url, json={"audience": "cache"}, headers={"Authorization": sent})
        assert answer.status_code == 401, sent
        assert "access_token" not in answer.text
    assert httpx.post(url, json={"audience": "cache"}).status_code == 401
    assert ask(other, credential).status_code == 401
    assert ask(url.replace(url.split("/")[-2], "0" * 32), credential).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"audience"}',
        b'{"audience": 5}',
        b'{"audience": null}',
        b'{"audience": "\\ud800"}',
        b"\xff",
        b"[" * 10_000,
    ],
)
def test_a_body_that_asks_for_nothing(clusters, body):
    url, credential = clusters[0]
    for kind in ("application/json", "text/plain; charset=none"):
        headers = {"Authorization": f"token {credential}", "Content-Type": kind}
        answer = httpx.post(url, content=body, headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (422, 'send {"audience": "cache"}')


def test_a_cluster_that_has_ended_gets_no_more(facility, clusters):
    url, credential = clusters[1]
    assert ask(url, credential).status_code == 200
    facility.casita("clusters", "stop", url.split("/")[-2])
    assert ask(url, credential).status_code == 401


def _credential(facility, name):
    from casita import sweep

    for one in sweep.belongings(facility.site.instance):
        environment = one.process.environ()
        if environment.get("DASK_GATEWAY_CLUSTER_NAME") == name:
            assert Path(environment["BEARER_TOKEN_FILE"]).parent.name == "bearer"
            return environment["DASK_GATEWAY_API_TOKEN"]
    raise AssertionError("no scheduler")
