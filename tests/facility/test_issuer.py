"""The issuer of storage tokens, on a real facility: exchange, refusals, keys, records, commands."""

import asyncio
import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import httpx
import jwt
import pytest

from casita.auth.verifier import Verifier
from casita.config import FacilityConfig
from casita.errors import LoginError
from casita.site import prepare
from casita.testing import casita, running_facility, wait_for
from casita.tokens import ACCESS_TOKEN, EXCHANGE

TOKENS = "/services/tokens"
CONFIG = """
[tokens]
lifetime = "60s"
read = ["/store"]
[tokens.groups.cms]
write = ["/group/cms"]
[backends.cache.origins.far]
url = "root://127.0.0.1:1"
"""


@pytest.fixture(scope="module")
def issuing(tmp_path_factory):
    """A facility with a backend that wants storage tokens."""
    if shutil.which("xrootd") is None:
        pytest.skip("xrootd is not installed (apt install xrootd-server)")
    folder = tmp_path_factory.mktemp("issuing")
    (folder / "casita.toml").write_text(CONFIG)
    with running_facility(folder / "state", "--config", folder / "casita.toml") as facility:
        yield facility
        shutil.rmtree(facility.site.storage, ignore_errors=True)


@pytest.fixture(scope="module")
def hub_token(issuing):
    return issuing.casita("token", "create", "--scope", "cache", "-q").stdout.strip()


@pytest.fixture(scope="module")
def bob(issuing):
    """A hub token of somebody who is no administrator."""
    with issuing.login() as session:
        session.api("POST", "/users/bob")
        session.api("POST", "/groups/cms")
        session.api("POST", "/groups/cms/users", json={"users": ["bob"]})
        body = {"expires_in": 600, "scopes": ["access:services!service=cache"]}
        yield session.api("POST", "/users/bob/tokens", json=body).json()["token"]


def exchange(facility, token="", **form):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    form = {"audience": "cache", **form}
    return httpx.post(f"{facility.url}{TOKENS}/token", data=form, headers=headers)


def verified(facility, token):
    async def run():
        async with httpx.AsyncClient() as http:
            trust = facility.site.trust("cache")
            return await Verifier(trust.issuers, trust.audience, http).verify(token)

    return asyncio.run(run())


def audit(facility):
    text = (facility.site.logs / "tokens-audit.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_a_hub_token_is_traded(issuing, hub_token):
    answer = exchange(issuing, hub_token, scope="storage.read:/store//mc/../data storage.stage:/")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    made = answer.json()
    assert made["token_type"] == "Bearer"
    assert made["expires_in"] == 60
    assert made["issued_token_type"] == "urn:ietf:params:oauth:token-type:jwt"
    assert made["scope"] == "storage.read:/store/data storage.stage:/"

    known = f"{issuing.url}{TOKENS}/.well-known"
    about = httpx.get(f"{known}/openid-configuration").json()
    assert about["issuer"] == f"{issuing.url}{TOKENS}"
    assert about["token_endpoint"] == f"{issuing.url}{TOKENS}/token"
    assert about == httpx.get(f"{known}/oauth-authorization-server").json()
    published = httpx.get(about["jwks_uri"])
    assert published.headers["Cache-Control"] == "public, max-age=600"
    assert not any("d" in one for one in published.json()["keys"])  # nothing private
    keys = jwt.PyJWKClient(about["jwks_uri"])
    token = made["access_token"]
    claims = jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["ES256"],
        issuer=about["issuer"],
        audience=f"{issuing.url}/services/cache",
    )
    names = {"iss", "sub", "aud", "iat", "nbf", "exp", "jti", "wlcg.ver", "scope"}
    assert set(claims) == names
    assert claims["sub"] == "admin"
    assert claims["exp"] - claims["iat"] == 60
    assert claims["wlcg.ver"] == "1.0"
    found = verified(issuing, token)
    assert found.user == "admin"
    assert found.allows("storage.read", "/store/data/a")
    line = audit(issuing)[-1]
    assert (line["event"], line["sub"], line["jti"]) == ("issued", "admin", claims["jti"])


SCITOKENS = """
import json, sys
import scitokens
token, issuer, audience = sys.argv[1:]
found = scitokens.SciToken.deserialize(token, insecure=True)
for one in (audience, audience + "X"):
    enforcer = scitokens.Enforcer(issuer, audience=one)
    enforcer.add_validator("wlcg.ver", "1.0".__eq__)  # it knows no profile but its own
    print(json.dumps([enforcer.test(found, "storage.read", path) for path in ("/a/b", "/aX")]))
"""


@pytest.mark.skipif(find_spec("scitokens") is None, reason="scitokens is not installed")
def test_the_library_of_scitokens_takes_it(issuing, hub_token, tmp_path):
    token = exchange(issuing, hub_token, scope="storage.read:/a").json()["access_token"]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            SCITOKENS,
            token,
            issuing.site.issuer,
            issuing.site.audience("cache"),
        ],
        env={"XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines() == ["[true, false]", "[false, false]"], done.stderr


def test_the_forms_of_an_exchange(issuing, hub_token):
    """In the header or the form, by name or URL; all that one may do if no scope is named."""
    full = {
        "grant_type": EXCHANGE,
        "subject_token": hub_token,
        "subject_token_type": ACCESS_TOKEN,
        "audience": f"{issuing.url}/services/cache",
    }
    answer = exchange(issuing, **full)
    assert answer.json()["scope"] == "storage.modify:/ storage.read:/ storage.stage:/"
    assert exchange(issuing, hub_token, grant_type="password").json()["error"] == (
        "unsupported_grant_type"
    )


def test_what_is_refused(issuing, hub_token):
    gateway = issuing.casita("token", "create", "--scope", "gateway", "-q").stdout.strip()
    good = exchange(issuing, hub_token).json()["access_token"]
    table = [
        ("", {}, 401, "invalid_client"),
        ("nonsense", {}, 401, "invalid_client"),
        (good, {}, 401, "invalid_client"),  # a storage token is good for no other
        (gateway, {}, 403, "access_denied"),
        (hub_token, {"audience": "nonsense"}, 400, "invalid_target"),
        (hub_token, {"audience": ""}, 400, "invalid_target"),
        (hub_token, {"scope": "gateway"}, 400, "invalid_scope"),
        (hub_token, {"scope": "storage.read"}, 400, "invalid_scope"),
        (hub_token, {"scope": "storage.read:/a%2e"}, 400, "invalid_scope"),
        (hub_token, {"requested_subject": "bob"}, 403, "access_denied"),
    ]
    made = len(audit(issuing))
    for token, form, status, code in table:
        answer = exchange(issuing, token, **form)
        assert (answer.status_code, answer.json()["error"]) == (status, code), answer.text
        assert answer.json()["error_description"]
    assert len(audit(issuing)) == made


def test_of_several_services_those_that_the_hub_token_may_use(issuing, hub_token):
    """A program asks for all that there are; its login may be for one of them."""

    def audience(token, asked):
        made = exchange(issuing, token, audience=asked).json()["access_token"]
        return jwt.decode(made, options={"verify_signature": False})["aud"]

    cache, columns = (issuing.site.audience(one) for one in ("cache", "columns"))
    assert audience(hub_token, "columns cache") == cache
    both = issuing.casita("token", "create", "--scope", "cache,columns", "-q").stdout.strip()
    assert audience(both, "columns cache") == [columns, cache]
    refused = exchange(issuing, hub_token, audience="columns")
    assert (refused.status_code, refused.json()["error"]) == (403, "access_denied")
    assert exchange(issuing, hub_token, audience="cache nonsense").status_code == 400


def test_what_one_of_several_people_gets(issuing, bob):
    """Their own folder, what is for all, and what groups at the hub have."""
    held = exchange(issuing, bob).json()["scope"].split()
    own = {f"storage.{right}:/user/bob" for right in ("read", "modify", "stage")}
    cms = {f"storage.{right}:/group/cms" for right in ("read", "modify", "stage")}
    assert set(held) == own | cms | {"storage.read:/store"}
    narrow = exchange(issuing, bob, scope="storage.read:/store/a/ storage.create:/group/cms/x")
    assert narrow.json()["scope"] == "storage.create:/group/cms/x storage.read:/store/a"
    assert verified(issuing, narrow.json()["access_token"]).user == "bob"
    for scope in (
        "storage.read:/",
        "storage.read:/storeX",
        "storage.create:/store",
        "storage.read:/user/admin",
        "storage.read:/user/bob/../admin",
        "storage.read:/store storage.read:/elsewhere",
    ):
        answer = exchange(issuing, bob, scope=scope)
        assert (answer.status_code, answer.json()["error"]) == (403, "access_denied"), scope
        assert "storage.read:/store" in answer.json()["hint"]
    assert exchange(issuing, bob, requested_subject="admin").status_code == 403
    assert exchange(issuing, bob, requested_subject="bob").is_success


def test_mistakes_have_the_form_of_the_facility(issuing):
    base = f"{issuing.url}{TOKENS}"
    table = [
        ("POST", "/revoke", {}, 422, "invalid"),
        ("POST", "/token", {"data": {"scope": "x" * 70_000}}, 413, "too_large"),
        ("POST", "/token", {"files": {"audience": b"cache"}}, 422, "invalid"),
        ("GET", "/token", {}, 405, "method_not_allowed"),
        ("GET", "/nothing", {}, 404, "not_found"),
        ("POST", "/keys", {"data": {"now": "perhaps"}}, 422, "invalid"),
    ]
    for method, path, more, status, code in table:
        answer = httpx.request(method, base + path, **more)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), path
        assert answer.json()["error"]["message"]
    answer = httpx.post(f"{base}/token", json={"audience": "cache"})  # no form
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")
    for odd in ("cache", "Bearer", "Basic eDp5", "Bearer a b", "Bearer tökén"):
        answer = httpx.post(
            f"{base}/token",
            data={"audience": "cache"},
            headers={"Authorization": odd.encode()},
        )
        assert answer.status_code == 401, odd
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_service_speaks_for_itself_or_for_users(issuing):
    """The cache's own token, and the gateway's for owners of clusters; no other service's."""
    site = issuing.site
    own = exchange(issuing, site.secret("cache_token"))
    assert own.json()["scope"] == "storage.read:/"
    assert verified(issuing, own.json()["access_token"]).user == "service:cache"
    asked = exchange(issuing, site.secret("cache_token"), requested_subject="admin")
    assert asked.status_code == 403
    gateway = site.secret("gateway_token")
    assert exchange(issuing, gateway).status_code == 403
    named = exchange(issuing, gateway, requested_subject="admin")
    assert verified(issuing, named.json()["access_token"]).user == "admin"
    assert audit(issuing)[-1]["by"] == "dask-gateway"
    for nobody in (
        "nobody",
        "service:cache",
        "../users/admin",
        ".",
        "..",
        "é",
        "admin/",
        "a?b",
        "a b",
    ):
        answer = exchange(issuing, gateway, requested_subject=nobody)
        assert (answer.status_code, answer.json()["error"]) == (403, "access_denied"), nobody
    assert exchange(issuing, site.secret("culler_token")).status_code == 403
    # No service speaks for another, or for itself where it has no business of its own.
    for subject in ("service:columns", "service:cache", "service:"):
        answer = exchange(issuing, site.secret("columns_token"), requested_subject=subject)
        assert (answer.status_code, answer.json()["error"]) == (403, "access_denied"), subject


def test_a_token_is_taken_back(issuing, hub_token):
    token = exchange(issuing, hub_token).json()["access_token"]
    verified(issuing, token)
    revoke = f"{issuing.url}{TOKENS}/revoke"
    assert httpx.post(revoke, data={"token": token}).status_code == 200
    assert httpx.post(revoke, data={"token": "nonsense"}).status_code == 200
    identifier = jwt.decode(token, options={"verify_signature": False})["jti"]
    assert revoked(issuing) == [identifier]
    with pytest.raises(LoginError, match="revoked"):
        verified(issuing, token)
    line = audit(issuing)[-1]
    assert (line["event"], line["sub"], line["jti"]) == ("revoked", "admin", identifier)
    # Another's signature, and what the hub made, are no business of its.
    forged = jwt.encode(
        jwt.decode(token, options={"verify_signature": False}) | {"jti": "forged"},
        "x" * 32,
        algorithm="HS256",
        headers={"kid": jwt.get_unverified_header(token)["kid"]},
    )
    for one in (forged, hub_token, "tökén", "e30.e30.", "[" * 9000):
        assert httpx.post(revoke, data={"token": one}).status_code == 200
    assert revoked(issuing) == [identifier]
    assert exchange(issuing, hub_token).is_success


def test_none_is_lost_of_many_that_are_taken_back_at_once(issuing, hub_token):
    tokens = [exchange(issuing, hub_token).json()["access_token"] for _ in range(16)]

    def take_back(token):
        return httpx.post(f"{issuing.url}{TOKENS}/revoke", data={"token": token}).status_code

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(take_back, tokens)) == {200}
    wanted = {jwt.decode(one, options={"verify_signature": False})["jti"] for one in tokens}
    assert wanted <= set(revoked(issuing))


def revoked(facility):
    return httpx.get(f"{facility.url}{TOKENS}/revoked").json()["revoked"]


def test_keys_and_revocations_survive_a_restart(issuing, hub_token):
    token, other = (exchange(issuing, hub_token).json()["access_token"] for _ in range(2))
    httpx.post(f"{issuing.url}{TOKENS}/revoke", data={"token": other})
    issuing.casita("restart", "tokens")
    assert wait_for(lambda: exchange(issuing, hub_token).is_success, 20, "the issuer")
    verified(issuing, token)
    with pytest.raises(LoginError, match="revoked"):
        verified(issuing, other)
    ring = issuing.site.state / "secrets" / "token_keys"
    assert ring.stat().st_mode & 0o777 == 0o600


def test_keys_rotate(issuing, hub_token):
    before = exchange(issuing, hub_token).json()["access_token"]
    assert "signed with the key" in issuing.casita("token", "rotate-keys").stdout
    after = exchange(issuing, hub_token).json()["access_token"]
    kids = [jwt.get_unverified_header(one)["kid"] for one in (before, after)]
    published = [one["kid"] for one in httpx.get(f"{issuing.url}{TOKENS}/jwks").json()["keys"]]
    assert kids[0] != kids[1]
    assert set(kids) < set(published)
    assert len(published) == 3
    verified(issuing, before)
    verified(issuing, after)
    # Services that keep keys may not know the next one yet.
    done = issuing.casita("token", "rotate-keys", check=False)
    assert done.returncode == 1
    assert "may not have fetched the next key yet" in done.stderr
    issuing.casita("token", "rotate-keys", "--now", "--yes")
    for one in (before, after):
        with pytest.raises(LoginError, match="its issuer has not"):
            verified(issuing, one)
    newest = exchange(issuing, hub_token).json()["access_token"]
    verified(issuing, newest)
    rotated = [one for one in audit(issuing) if one["event"] == "keys rotated"]
    kid = jwt.get_unverified_header(newest)["kid"]
    assert [(one["kid"], one["now"]) for one in rotated] == [(kids[1], False), (kid, True)]


def test_who_may_rotate_keys(issuing, hub_token):
    admin = issuing.casita("token", "create", "-q").stdout.strip()
    before = httpx.get(f"{issuing.url}{TOKENS}/jwks").json()
    for secret in ("", "wrong", "é", hub_token, admin):
        answer = httpx.post(
            f"{issuing.url}{TOKENS}/keys",
            data={"now": "true"},
            headers={"Authorization": f"Bearer {secret}".encode()} if secret else {},
        )
        assert answer.status_code == 401, secret
        assert answer.json()["error"]["code"] == "unauthorized"
    assert httpx.get(f"{issuing.url}{TOKENS}/jwks").json() == before
    done = issuing.casita("token", "rotate-keys", "--now", check=False, stdin="n\n")
    assert done.returncode == 130
    assert "ends every storage token" in done.stdout + done.stderr
    assert httpx.get(f"{issuing.url}{TOKENS}/jwks").json() == before


def test_without_its_log_it_makes_none(issuing, hub_token):
    log = issuing.site.logs / "tokens-audit.jsonl"
    kept = log.rename(log.with_suffix(".kept"))
    log.mkdir()
    try:
        answer = exchange(issuing, hub_token)
        assert answer.status_code == 503
        assert "access_token" not in answer.json()
        assert answer.headers["Retry-After"]
    finally:
        log.rmdir()
        kept.rename(log)
    assert exchange(issuing, hub_token).is_success


def test_no_token_in_any_log(issuing, hub_token):
    token = exchange(issuing, hub_token).json()["access_token"]
    exchange(issuing, "", subject_token=hub_token)
    for form in ({"audience": token}, {"scope": token}, {"requested_subject": token}):
        assert not exchange(issuing, hub_token, **form).is_success
    assert not exchange(issuing, token).is_success
    httpx.post(f"{issuing.url}{TOKENS}/revoke", data={"token": token})
    httpx.get(f"{issuing.url}{TOKENS}/{token}")
    logs = [one for one in issuing.site.logs.rglob("*") if one.is_file()]
    assert {"tokens.log", "tokens-audit.jsonl"} <= {one.name for one in logs}
    secrets = [hub_token, issuing.site.secret("tokens_token"), *token.split(".")[1:]]
    for log in logs:
        text = log.read_text(errors="replace")
        assert not any(one in text for one in secrets), log
    log = issuing.site.logs / "tokens-audit.jsonl"
    assert log.stat().st_mode & 0o777 == 0o600


def test_health_metrics_and_schema(issuing):
    base = f"{issuing.url}{TOKENS}"
    assert httpx.get(f"{base}/health").json()["ready"]
    metrics = httpx.get(f"{base}/metrics").text
    for outcome in ("made", "refused"):
        line = next(one for one in metrics.splitlines() if f'outcome="{outcome}"' in one)
        assert line.startswith("casita_storage_tokens_total{")
        assert float(line.split()[-1]) > 0
    paths = httpx.get(f"{base}/openapi.json").json()["paths"]
    assert f"{TOKENS}/token" in paths
    assert f"{TOKENS}/keys" not in paths  # the operator's own


# ---- the command


def test_a_terminal_gets_one(issuing):
    done = issuing.casita("token", "storage", "--path", "/store", "--path", "/mc")
    assert verified(issuing, done.stdout.strip()).allows("storage.read", "/mc/a")
    assert "For cache, 1m: storage.read:/mc storage.read:/store" in done.stderr
    words = ("--path", "/store", "--right", "create", "--json")
    made = json.loads(issuing.casita("token", "storage", *words).stdout)
    assert made["scope"] == "storage.create:/store"
    assert 0 < made["expires"] - time.time() <= 60
    quiet = issuing.casita("token", "storage", "-q")
    assert quiet.stderr == ""


def test_mistakes_are_one_sentence(issuing):
    for words, said in (
        (("--for", "nonsense"), "no tokens are made for 'nonsense'"),
        (("--path", "store"), "'store' is no absolute path"),
        (("--path", "/a", "--right", "eat"), "no such right"),
        (("--right", "create"), "--right needs --path"),
    ):
        done = issuing.casita("token", "storage", *words, check=False)
        assert done.returncode == 1
        assert said in done.stderr
        assert len(done.stderr.splitlines()) <= 2


def test_keys_of_a_facility_that_is_down(tmp_path):
    site = prepare(FacilityConfig(), tmp_path / "state")
    done = casita("token", "rotate-keys", "--state", site.state, check=False)
    assert done.returncode == 1
    assert f"the facility in {site.state} is down" in done.stderr


def test_a_terminal_needs_the_scope(issuing, tmp_path):
    token = issuing.casita("token", "create", "--scope", "gateway", "-q").stdout
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": "/nowhere"}
    casita("login", issuing.url, "--token-stdin", env=home, stdin=token)
    done = casita("token", "storage", env=home, check=False)
    assert done.returncode == 1
    assert "may not use 'cache'" in done.stderr
    assert "--scope cache" in done.stderr
