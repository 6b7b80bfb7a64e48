"""A cache that wants tokens: who reads what, by https and root://, and for how long."""

import json
import os
import ssl
import subprocess
import sys
import time

import httpx
import jwt
import pytest

from casita.testing import wait_for
from casita.tokens.keys import KeyRing

from .conftest import facility_with, port_of, program, server_of

LIFETIME = 20
CONFIG = """
[tokens]
lifetime = "20s"
read = ["/store/cms"]
[backends.cache]
tokens = true
program = "{program}"
directory = "{directory}"
[backends.cache.local]
directory = "{data}"
prefix = "/store"
"""
FILES = ("/store/cms/c.root", "/store/cmsX/d.root", "/store/a.root")
READER = """
import sys
from XRootD import client
file = client.File()
for url in sys.argv[1:]:
    status = file.open(url)[0]
    if status.ok:
        status, data = file.read(0, 4)
        print("yes" if data == b"root" else "wrong")
    else:
        print("no")
    file = client.File()
"""


@pytest.fixture(scope="module")
def guarded(world, data, newer):
    with facility_with(world, CONFIG, data=data, program=newer) as facility:
        yield facility


def own(facility, *options):
    done = facility.casita("token", "storage", "-q", *options)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def forge(guarded):
    """Signs any claims with the facility's key."""
    keys = KeyRing(guarded.site.state / "secrets" / "token_keys", LIFETIME)

    def make(scope, *, key=None, kid=None, **changes):
        now = int(time.time())
        claims = {
            "iss": guarded.site.issuer,
            "sub": "alice",
            "aud": guarded.site.audience("cache"),
            "iat": now,
            "nbf": now,
            "exp": now + 60,
            "jti": os.urandom(4).hex(),
            "wlcg.ver": "1.0",
            "scope": scope,
        } | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        if key is None and kid is None:
            return keys.sign(claims)
        return jwt.encode(claims, key, algorithm="ES256", headers={"kid": kid})

    return make


def by_https(facility, token, path):
    port = port_of(facility, "cache-local-http")
    ca = facility.disk / "certificate.pem"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    trust = ssl.create_default_context(cafile=ca)
    answer = httpx.get(f"https://127.0.0.1:{port}{path}", headers=headers, verify=trust)
    return answer.status_code == 200 and answer.content[:4] == b"root"


def by_root(facility, token, *paths, port=None):
    port = port or port_of(facility, "cache-local")
    environment = {
        **{key: value for key, value in os.environ.items() if "TOKEN" not in key},
        **({"BEARER_TOKEN": token} if token else {}),
        "X509_CERT_FILE": str(facility.disk / "certificate.pem"),
        "XRD_CONNECTIONRETRY": "1",
        "XRD_CONNECTIONWINDOW": "5",
    }
    urls = [f"root://127.0.0.1:{port}/{path}" for path in paths]
    done = subprocess.run(
        [sys.executable, "-c", READER, *urls],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [one == "yes" for one in done.stdout.split()]


NOBODY = [False, False, False]
CMS = [True, False, False]
MATRIX = {
    "read of /store/cms": ("storage.read:/store/cms", {}, CMS),
    "a slash at the end": ("storage.read:/store/cms/", {}, CMS),
    "read of all": ("storage.read:/", {}, [True, True, True]),
    "read of one file": ("storage.read:/store/a.root", {}, [False, False, True]),
    "SciTokens 2.0": ("read:/store/cms", {"wlcg.ver": None, "ver": "scitoken:2.0"}, CMS),
    "several audiences": ("storage.read:/store/cms", {"aud": "LIST"}, CMS),
    "another user's path": ("storage.read:/user/bob", {}, NOBODY),
    "write does not read": ("storage.modify:/store/cms", {}, NOBODY),
    "stage does not read": ("storage.stage:/store/cms", {}, NOBODY),
    "no storage scope": ("openid profile", {}, NOBODY),
    "no profile": ("storage.read:/store/cms", {"wlcg.ver": None}, NOBODY),
    "expired": ("storage.read:/store/cms", {"exp": 1_700_000_000}, NOBODY),
    "not yet": ("storage.read:/store/cms", {"nbf": 4_000_000_000}, NOBODY),
    "another audience": ("storage.read:/store/cms", {"aud": "https://other.example.org"}, NOBODY),
    "another issuer": ("storage.read:/store/cms", {"iss": "https://evil.example.org"}, NOBODY),
}


@pytest.mark.parametrize("case", MATRIX)
def test_what_a_token_opens(guarded, forge, case):
    scope, changes, expected = MATRIX[case]
    if changes.get("aud") == "LIST":
        changes = {"aud": ["https://other.example.org", guarded.site.audience("cache")]}
    token = forge(scope, **changes)
    assert [by_https(guarded, token, one) for one in FILES] == expected
    assert by_root(guarded, token, *FILES) == expected


def test_what_no_token_opens(guarded, forge):
    from cryptography.hazmat.primitives.asymmetric import ec

    good = forge("storage.read:/")
    kid = jwt.get_unverified_header(good)["kid"]
    other = ec.generate_private_key(ec.SECP256R1())
    bad = ["", forge("storage.read:/", key=other, kid=kid), good[:-8] + "AAAAAAAA"]
    for token in bad:
        assert [by_https(guarded, token, one) for one in FILES] == NOBODY
        assert by_root(guarded, token, *FILES) == NOBODY
    assert not by_https(guarded, forge("storage.read:/store/cms"), "/store/cms/../a.root")


def test_the_origin_lets_the_cache_in_only(guarded, forge):
    token = forge("storage.read:/")
    assert by_root(guarded, token, *FILES, port=port_of(guarded, "origin")) == NOBODY


def test_nobody_writes_through_it(guarded, forge, data):
    token = forge("storage.modify:/ storage.create:/ storage.read:/")
    port = port_of(guarded, "cache-local-http")
    with httpx.Client(
        verify=ssl.create_default_context(cafile=guarded.disk / "certificate.pem"),
        headers={"Authorization": f"Bearer {token}"},
    ) as http:
        before = (data / "a.root").read_bytes()
        for method in ("PUT", "DELETE", "MKCOL"):
            answer = http.request(method, f"https://127.0.0.1:{port}/store/a.root", content=b"x")
            assert answer.status_code >= 400, method
    assert (data / "a.root").read_bytes() == before


def test_the_service_goes_by_the_token(guarded, forge):
    """Table: (scopes, request) and the status."""
    origin = f"root://127.0.0.1:{port_of(guarded, 'origin')}"
    mine, other = f"{origin}//store/cms/c.root", f"{origin}//store/a.root"
    read, stage = "storage.read:/store/cms", "storage.stage:/store/cms"
    service = f"{guarded.url}/services/cache"
    table = [
        (read, "GET", f"/file?url={mine}", None, 200),
        (read, "GET", f"/file?url={other}", None, 403),
        (read, "GET", f"/files?url={origin}//store/cms/", None, 200),
        (read, "GET", f"/files?url={origin}//user/bob/", None, 403),
        (read, "POST", "/prefetches", {"urls": [mine]}, 201),
        (read, "POST", "/prefetches", {"urls": [mine, other]}, 403),
        (read, "POST", "/evict", {"urls": [mine]}, 403),
        (read, "POST", "/pins", {"urls": [mine]}, 403),
        (stage, "POST", "/evict", {"urls": [mine]}, 200),
        (stage, "POST", "/evict", {"urls": [f"{origin}//store/cmsX/"]}, 403),
        (stage, "GET", f"/file?url={mine}", None, 403),
        (f"{read} {stage}", "POST", "/pins", {"urls": [mine]}, 201),
        (f"{read} {stage}", "POST", "/unpin", {"urls": [mine]}, 200),
        (read, "GET", "/file?url=root://127.0.0.1:1//x", None, 404),
        (read, "GET", "/datasets/nix", None, 404),
        (read, "GET", "/prefetches/nix", None, 404),
        (read, "POST", "/prefetches", {"urls": 4}, 422),
    ]
    for scope, method, path, body, expected in table:
        headers = {"Authorization": f"Bearer {forge(scope)}"}
        answer = httpx.request(method, service + path, headers=headers, json=body, timeout=30)
        assert answer.status_code == expected, (scope, method, path, answer.text)
        if expected >= 400:
            assert set(answer.json()["error"]) == {"code", "message", "hint"}
    # Another's prefetch is none of mine.
    headers = {"Authorization": f"Bearer {forge(read)}"}
    job = httpx.post(f"{service}/prefetches", headers=headers, json={"urls": [mine]}).json()
    bob = {"Authorization": f"Bearer {forge(read, sub='bob')}"}
    assert httpx.get(f"{service}/prefetches/{job['id']}", headers=bob).status_code == 403
    assert httpx.delete(f"{service}/prefetches/{job['id']}", headers=bob).status_code == 403
    assert httpx.get(f"{service}/prefetches", headers=bob).json() == []


def test_the_evicted_is_fetched_again(guarded):
    origin = f"root://127.0.0.1:{port_of(guarded, 'origin')}"
    guarded.casita("cache", "evict", "-y", f"{origin}//store/")
    assert "1 of 1 files" in guarded.casita("cache", "prefetch", f"{origin}//store/a.root").stdout
    about = json.loads(guarded.casita("cache", "stat", f"{origin}//store/a.root", "--json").stdout)
    assert about["fraction"] == 1


def test_a_kernel_reads_across_renewals(guarded, tmp_path):
    """The file is renewed as a Jupyter server does it; the cache admits each token 20 s only."""
    url = f"root://127.0.0.1:{port_of(guarded, 'origin')}//store/cms/c.root"
    code = f"""
from casita.jupyter import bearer
keeper = bearer.start()
began, count, seen = time.monotonic(), 0, set()
while not os.path.exists(os.environ["BEARER_TOKEN_FILE"]):
    time.sleep(0.05)
while time.monotonic() - began < 35:
    seen.add(open(os.environ["BEARER_TOKEN_FILE"]).read())
    casita_cache.kernel.doors()  # the same process all the time
    with uproot.open({url!r}) as file:
        assert file["Events"].num_entries == 20_000
    for system in fsspec.filesystem("root", hostid="x")._cache.values():
        system._readonly_filehandle_cache.close_all()
    count += 1
    time.sleep(0.5)
print(json.dumps([count, len(seen), oct(os.stat(os.environ["BEARER_TOKEN_FILE"]).st_mode)[-3:]]))
"""
    token_file = str(tmp_path / "bt")
    environment = {"BEARER_TOKEN_FILE": token_file, "CASITA_TOKEN_FILE": token_file}
    done = program(guarded, "import casita_cache.kernel\n" + code, env=environment)
    count, tokens, mode = json.loads(done.stdout)
    assert count > 20
    assert tokens >= 3
    assert mode == "600"
    assert "directly" not in done.stderr


def test_a_cluster_reads_across_renewals(guarded):
    """Tasks on workers, for longer than three tokens live, with no notebook behind them."""
    url = f"root://127.0.0.1:{port_of(guarded, 'origin')}//store/cms/c.root"
    made = guarded.casita("clusters", "create", "--workers", "2", "--json").stdout
    name = json.loads(made)["name"]
    code = f"""
from dask_gateway import Gateway

def long(url, seconds):
    import time, os, uproot, fsspec
    began, tokens, reads = time.monotonic(), set(), 0
    while time.monotonic() - began < seconds:
        tokens.add(open(os.environ["BEARER_TOKEN_FILE"]).read())
        with uproot.open(url) as file:
            assert file["Events"].num_entries == 20_000
        for system in fsspec.filesystem("root", hostid="x")._cache.values():
            system._readonly_filehandle_cache.close_all()
        reads += 1
        time.sleep(1)
    from casita_cache.traffic import LEDGER
    traffic = LEDGER.traffic()
    return reads, len(tokens), traffic.cached, traffic.direct

with Gateway() as gateway:
    with gateway.connect({name!r}) as cluster, cluster.get_client() as client:
        futures = [client.submit(long, {url!r}, 45, pure=False) for _ in range(2)]
        print(json.dumps(client.gather(futures)))
"""
    environment = {
        "DASK_GATEWAY__PROXY_ADDRESS": guarded.site.gateway_traffic,
        "DASK_GATEWAY__AUTH__TYPE": "jupyterhub",
    }
    try:
        done = program(guarded, code, env=environment, timeout=200, scopes="cache,gateway")
    finally:
        guarded.casita("clusters", "stop", name, check=False)
    for reads, tokens, through, past in json.loads(done.stdout):
        assert reads > 20
        assert tokens >= 4  # a token lives 20 s and is renewed after 10
        assert through > 10_000
        assert past == 0


def test_keys_rotate_while_the_cache_runs(guarded):
    url = f"root://127.0.0.1:{port_of(guarded, 'origin')}//store/cms/c.root"
    before = own(guarded, "--path", "/store/cms")
    guarded.casita("token", "rotate-keys")
    after = own(guarded, "--path", "/store/cms")
    assert jwt.get_unverified_header(before)["kid"] != jwt.get_unverified_header(after)["kid"]
    for token in (before, after):
        assert by_https(guarded, token, "/store/cms/c.root")
        assert by_root(guarded, token, "/store/cms/c.root") == [True]
    guarded.casita("token", "rotate-keys", "--now", "--yes")
    fresh = own(guarded, "--path", "/store/cms")
    wait_for(lambda: by_https(guarded, fresh, "/store/cms/c.root"), 40, "the new keys")
    assert "1 of 1 files" in guarded.casita("cache", "prefetch", url).stdout


def test_an_xrootd_that_leaks_refuses_to_guard(guarded, world, data):
    """Debian 12's own would let a token for /cms read /cmsX."""
    from casita_cache.program import find

    if not find("xrootd").leaks:
        pytest.skip("this machine's XRootD is new enough")
    refused = facility_with(world, CONFIG, data=data, program="xrootd")
    with pytest.raises(AssertionError) as said, refused:
        pass
    assert "a token for /cms opens /cmsX, too: it must not guard data" in str(said.value)
    assert "backends.cache.program" in str(said.value)


def test_no_token_in_logs_or_arguments(guarded):
    token = own(guarded)
    by_https(guarded, token, FILES[0])
    by_root(guarded, token, FILES[0])
    signature = token.rpartition(".")[2]
    for log in guarded.site.logs.iterdir():
        assert signature not in log.read_text(errors="replace"), log
    for name in ("cache", "cache-local", "cache-origin"):
        assert not any("eyJ" in word for word in server_of(guarded, name).cmdline())
