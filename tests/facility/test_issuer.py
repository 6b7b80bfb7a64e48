"""The issuer of storage tokens, on a real facility: exchange, refusals, keys, records, commands."""

import asyncio
import json
import shutil
import time

import httpx
import jwt
import pytest

from casita.auth.verifier import Verifier
from casita.errors import LoginError
from casita.testing import casita, running_facility, wait_for
from casita.tokens import ACCESS_TOKEN, EXCHANGE

TOKENS = "/services/tokens"
CONFIG = """
[tokens]
lifetime = "60s"
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

    about = httpx.get(f"{issuing.url}{TOKENS}/.well-known/openid-configuration").json()
    assert about["issuer"] == f"{issuing.url}{TOKENS}"
    keys = jwt.PyJWKClient(about["jwks_uri"])
    token = made["access_token"]
    claims = jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["ES256"],
        issuer=about["issuer"],
        audience=f"{issuing.url}/services/cache",
    )
    assert claims["sub"] == "admin"
    assert claims["exp"] - claims["iat"] == 60
    assert claims["wlcg.ver"] == "1.0"
    found = verified(issuing, token)
    assert found.user == "admin"
    assert found.allows("storage.read", "/store/data/a")
    line = audit(issuing)[-1]
    assert (line["event"], line["sub"], line["jti"]) == ("issued", "admin", claims["jti"])


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
        (hub_token, {"audience": "columns"}, 400, "invalid_target"),
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
    assert exchange(issuing, gateway, requested_subject="nobody").status_code == 403
    assert exchange(issuing, site.secret("culler_token")).status_code == 403


def test_a_token_is_taken_back(issuing, hub_token):
    token = exchange(issuing, hub_token).json()["access_token"]
    verified(issuing, token)
    revoke = f"{issuing.url}{TOKENS}/revoke"
    assert httpx.post(revoke, data={"token": token}).status_code == 200
    assert httpx.post(revoke, data={"token": "nonsense"}).status_code == 200
    identifier = jwt.decode(token, options={"verify_signature": False})["jti"]
    assert httpx.get(f"{issuing.url}{TOKENS}/revoked").json() == {"revoked": [identifier]}
    with pytest.raises(LoginError, match="revoked"):
        verified(issuing, token)
    assert audit(issuing)[-1]["event"] == "revoked"


def test_keys_and_revocations_survive_a_restart(issuing, hub_token):
    token = exchange(issuing, hub_token).json()["access_token"]
    before = httpx.get(f"{issuing.url}{TOKENS}/revoked").json()
    issuing.casita("restart", "tokens")
    assert wait_for(lambda: exchange(issuing, hub_token).is_success, 20, "the issuer")
    verified(issuing, token)
    assert set(httpx.get(f"{issuing.url}{TOKENS}/revoked").json()["revoked"]) <= set(
        before["revoked"]
    )
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
    with pytest.raises(LoginError, match="which its issuer has not|its issuer has not"):
        verified(issuing, after)
    verified(issuing, exchange(issuing, hub_token).json()["access_token"])
    for secret in ("none", "wrong"):
        answer = httpx.post(
            f"{issuing.url}{TOKENS}/keys", headers={"Authorization": f"Bearer {secret}"}
        )
        assert answer.status_code == 401


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
    exchange(issuing, hub_token, audience=token, scope=token)
    for log in issuing.site.logs.iterdir():
        text = log.read_text(errors="replace")
        assert token.rpartition(".")[2] not in text, log
        assert hub_token not in text, log


def test_health_metrics_and_schema(issuing):
    base = f"{issuing.url}{TOKENS}"
    assert httpx.get(f"{base}/health").json()["ready"]
    assert "casita_storage_tokens_total" in httpx.get(f"{base}/metrics").text
    assert f"{TOKENS}/token" in httpx.get(f"{base}/openapi.json").json()["paths"]


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
        (("--for", "columns"), "no tokens are made for 'columns'"),
        (("--path", "store"), "'store' is no absolute path"),
        (("--path", "/a", "--right", "eat"), "no such right"),
        (("--right", "create"), "--right needs --path"),
    ):
        done = issuing.casita("token", "storage", *words, check=False)
        assert done.returncode == 1
        assert said in done.stderr
        assert len(done.stderr.splitlines()) <= 2


def test_a_terminal_needs_the_scope(issuing, tmp_path):
    token = issuing.casita("token", "create", "--scope", "gateway", "-q").stdout
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": "/nowhere"}
    casita("login", issuing.url, "--token-stdin", env=home, stdin=token)
    done = casita("token", "storage", env=home, check=False)
    assert done.returncode == 1
    assert "may not use 'cache'" in done.stderr
    assert "--scope cache" in done.stderr
