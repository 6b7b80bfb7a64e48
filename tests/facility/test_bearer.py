"""The file with a storage token: always whole, renewed in time, and its user's own if they like."""

import json
import subprocess
import sys
import threading
import time
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

    def __init__(self, life=2.0, iss=ISSUER):
        self.life, self.iss, self.made, self.broken = life, iss, 0, False

    def __call__(self):
        if self.broken:
            raise OSError("the issuer is away")
        self.made += 1
        now = time.time()
        content = {"iss": self.iss, "iat": now, "exp": now + self.life, "jti": str(self.made)}
        return jwt.encode(content, "x" * 32, algorithm="HS256")


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


def test_failures_are_got_over(path):
    issuer = Issuer(life=100)
    issuer.broken = True
    keeper = Keeper(path, issuer)
    assert [keeper.renew() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert keeper.trouble == "the issuer is away"
    issuer.broken = False
    assert keeper.renew() > 40
    assert keeper.trouble == ""


def test_several_keep_one_file(path):
    issuer = Issuer(life=100)
    keepers = [Keeper(path, issuer) for _ in range(5)]
    assert all(one.renew() > 40 for one in keepers)
    assert issuer.made == 1


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


def test_workers_need_no_casita():
    """The preload is a file that needs the standard library only."""
    code = f"""
import runpy, sys
names = runpy.run_path({preload.__file__!r})
assert names["_bearer"]().Keeper
assert "casita" not in sys.modules
names["dask_setup"](None)   # nothing is asked for: nothing is done
"""
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, timeout=60)


def test_a_cluster_gets_its_owner_s(facility):
    """The gateway's route, which wants the cluster's own credential."""
    name = json.loads(facility.casita("clusters", "create", "--json").stdout)["name"]
    base = f"http://127.0.0.1:{facility.site.ports['gateway']}/api/v1/clusters/{name}/bearer"
    try:
        credential = _credential(facility, name)
        for sent in ("", "token", "token wrong", f"Bearer {credential}", "odd"):
            headers = {"Authorization": sent} if sent else {}
            answer = httpx.post(base, json={"audience": "cache"}, headers=headers)
            assert answer.status_code == 401, sent
        mine = {"Authorization": f"token {credential}"}
        other = base.replace(name, "0" * 32)
        assert httpx.post(other, json={"audience": "cache"}, headers=mine).status_code == 401
        for body in (b"", b"[]", b'{"audience"}', b"[" * 10_000):
            answer = httpx.post(base, content=body, headers=mine)
            assert answer.status_code == 422, body[:20]
        answer = httpx.post(base, json={"audience": "nix"}, headers=mine)
        assert answer.status_code == 403
        assert "no tokens are made for 'nix'" in answer.json()["error"]
        made = httpx.post(base, json={"audience": "cache"}, headers=mine).json()
        claims = jwt.decode(made["access_token"], options={"verify_signature": False})
        assert claims["sub"] == "admin"
        public = f"{facility.url}/services/dask-gateway/api/v1/clusters/{name}/bearer"
        assert httpx.post(public, json={}, headers=mine).status_code in (401, 403, 404)
    finally:
        facility.casita("clusters", "stop", name)


def _credential(facility, name):
    from casita import sweep

    for one in sweep.belongings(facility.site.instance):
        environment = one.process.environ()
        if environment.get("DASK_GATEWAY_CLUSTER_NAME") == name:
            assert Path(environment["BEARER_TOKEN_FILE"]).parent.name == "bearer"
            return environment["DASK_GATEWAY_API_TOKEN"]
    raise AssertionError("no scheduler")
