"""Verification of storage tokens: every way in which one can be wrong, and its issuer be away."""

import asyncio
import base64
import hashlib
import hmac
import json
import time

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi import Depends, FastAPI, Request

from casita.auth import bearer, documents
from casita.auth import verifier as module
from casita.auth.verifier import ANY_AUDIENCE, Verifier
from casita.backend import Issuer
from casita.errors import ConfigError, DeniedError, LoginError, ServiceError
from casita.serving import equip

OWN, FOREIGN = "https://casita.example.org/services/tokens", "https://iam.example.org/"
AUDIENCE = "https://casita.example.org/services/cache"
KEYS = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("own", "foreign", "other")}
RSA = rsa.generate_private_key(65537, 2048)


def public(name, kid):
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(KEYS[name].public_key(), as_dict=True)
    return {**jwk, "kid": kid, "alg": "ES256", "use": "sig"}


class World:
    """The network as the verifier sees it."""

    def __init__(self):
        self.down = set()
        self.odd = None
        self.slow = 0.0
        self.asked = []
        self.keys = {OWN: [public("own", "k1")], FOREIGN: [public("foreign", "f1")]}
        self.revoked = []
        self.jwks_of_foreign = f"{FOREIGN}jwks"

    async def answer(self, request):
        url = str(request.url)
        self.asked.append(url)
        await asyncio.sleep(self.slow)
        if any(url.startswith(one) for one in self.down):
            raise httpx.ConnectError("down")
        if self.odd is not None:
            return self.odd
        if url == f"{OWN}/jwks":
            return httpx.Response(200, json={"keys": self.keys[OWN]})
        if url == f"{OWN}/revoked":
            return httpx.Response(200, json={"revoked": self.revoked})
        if url == f"{FOREIGN}.well-known/openid-configuration":
            return httpx.Response(200, json={"jwks_uri": self.jwks_of_foreign})
        if url == self.jwks_of_foreign:
            return httpx.Response(200, json={"keys": self.keys[FOREIGN]})
        return httpx.Response(404)


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(documents, "AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(documents, "FIRST_SECONDS", 0.0)
    return World()


def verifier(world):
    http = httpx.AsyncClient(transport=httpx.MockTransport(world.answer))
    issuers = [
        Issuer(OWN, f"{OWN}/jwks", f"{OWN}/revoked"),
        Issuer(FOREIGN, base="/foreign"),
    ]
    return Verifier(issuers, AUDIENCE, http)


def claims(**changes):
    now = int(time.time())
    every = {
        "iss": OWN,
        "sub": "ada",
        "aud": AUDIENCE,
        "iat": now,
        "nbf": now,
        "exp": now + 60,
        "jti": "j1",
        "wlcg.ver": "1.0",
        "scope": "storage.read:/cms",
    } | changes
    return {name: value for name, value in every.items() if value is not None}


def token(key="own", kid="k1", headers=None, **changes):
    headers = {**({"kid": kid} if kid else {}), **(headers or {})}
    return jwt.encode(claims(**changes), KEYS[key], algorithm="ES256", headers=headers)


def foreign(**changes):
    return token("foreign", "f1", **{"iss": FOREIGN, **changes})


def verify(world, text, one=None):
    return asyncio.run((one or verifier(world)).verify(text))


def coded(content):
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw(header, payload=None):
    """Return a token whose header, or payload, is just so, with a signature of nobody."""
    return f"{coded(header)}.{coded(claims() if payload is None else payload)}.AAAA"


def hmac_of_public_key():
    pem = (
        KEYS["own"]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    body = f"{coded({'alg': 'HS256', 'kid': 'k1'})}.{coded(claims())}"
    return f"{body}.{coded(hmac.new(pem, body.encode(), hashlib.sha256).digest())}"


def tampered():
    head, body, signature = token().split(".")
    other = token(sub="eve").split(".")[1]
    assert other != body
    return f"{head}.{other}.{signature}"


HEADER = {"alg": "ES256", "kid": "k1"}
NO_TOKEN, UNSIGNED = "no valid token was sent", "this is no signed token"
NO_KEY, NOT_FOR = "a key that its issuer has not", f"the token is not for {AUDIENCE}"
BAD = {
    "nothing": (lambda: "", NO_TOKEN),
    "blanks": (lambda: "a b", NO_TOKEN),
    "not ASCII": (lambda: "tökén", NO_TOKEN),
    "too long": (lambda: token(padding="x" * 20_000), NO_TOKEN),
    "no JWT": (lambda: "abc", UNSIGNED),
    "no base64": (lambda: "a.b.c", UNSIGNED),
    "no JSON": (lambda: raw(b"\xff\xfe{"), UNSIGNED),
    "a header that is none": (lambda: raw([]), UNSIGNED),
    "claims that are none": (lambda: raw(HEADER, []), UNSIGNED),
    "a deep header": (lambda: raw(b'{"kid":' + b"[" * 5000), UNSIGNED),
    "deep claims": (lambda: raw(HEADER, b"[" * 5000), UNSIGNED),
    "encrypted": (lambda: "e30.e30.e30.e30.e30", UNSIGNED),
    "must be understood": (lambda: token(headers={"crit": ["zip"]}), UNSIGNED),
    "a key that is no text": (lambda: raw({**HEADER, "kid": ["k1"]}), UNSIGNED),
    "no key named": (lambda: token(kid=None), "does not name its key"),
    "unknown key": (lambda: token("other", "k9"), NO_KEY),
    "our issuer, foreign key": (lambda: token("foreign", "f1"), NO_KEY),
    "foreign issuer, our key": (lambda: token(iss=FOREIGN), NO_KEY),
    "not signed": (
        lambda: jwt.encode(claims(), None, algorithm="none", headers={"kid": "k1"}),
        "is not good: ",
    ),
    "signed with the public key": (hmac_of_public_key, "is not good: "),
    "another algorithm": (
        lambda: jwt.encode(claims(), RSA, algorithm="RS256", headers={"kid": "k1"}),
        "is not good: ",
    ),
    "tampered": (tampered, "Signature verification failed"),
    "no signature": (lambda: token().rpartition(".")[0] + ".", "Signature verification failed"),
    "somebody else's key": (lambda: token("other"), "Signature verification failed"),
    "expired": (lambda: token(exp=int(time.time()) - 60), "has expired"),
    "not yet": (lambda: token(nbf=int(time.time()) + 600), "not yet valid (nbf)"),
    "made in the future": (lambda: token(iat=int(time.time()) + 600), "not yet valid (iat)"),
    "no end": (lambda: token(exp=None), '"exp"'),
    "an end beyond numbers": (lambda: token(exp=10**400), "is not good: "),
    "an end that is none": (lambda: token(exp=[1]), "is not good: "),
    "infinite": (lambda: token(exp=float("inf")), "is not good: "),
    "no time": (lambda: token(iat=None), '"iat"'),
    "no user": (lambda: token(sub=None), '"sub"'),
    "empty user": (lambda: token(sub=""), "names no user"),
    "a user who is no text": (lambda: token(sub=["ada"]), "is not good: "),
    "a number of no text": (lambda: token(jti=5), "is not good: "),
    "no audience": (lambda: token(aud=None), '"aud"'),
    "an empty audience": (lambda: token(aud=[]), '"aud"'),
    "an audience that is no text": (lambda: token(aud=[5]), NOT_FOR),
    "another audience": (lambda: token(aud="https://casita.example.org/services/columns"), NOT_FOR),
    "a longer audience": (lambda: token(aud=AUDIENCE + "/x"), NOT_FOR),
    "any audience, from us": (lambda: token(aud=ANY_AUDIENCE), NOT_FOR),
    "another audience, from others": (lambda: foreign(aud="https://x.example.org"), NOT_FOR),
    "no issuer": (lambda: token(iss=None), "not trusted here"),
    "an issuer that is no text": (lambda: raw(HEADER, claims(iss=[OWN])), "not trusted here"),
    "unknown issuer": (lambda: token(iss="https://evil.example.org"), "not trusted here"),
    "issuer with a slash": (lambda: token(iss=OWN + "/"), "not trusted here"),
    "issuer without its slash": (lambda: foreign(iss=FOREIGN.rstrip("/")), "not trusted here"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused(world, name):
    make, why = BAD[name]
    with pytest.raises(LoginError) as said:
        verify(world, make())
    assert not isinstance(said.value, DeniedError)
    assert why in said.value.message
    assert said.value.hint


def test_a_good_token(world):
    found = verify(world, token(aud=["https://other.example.org", AUDIENCE]))
    assert (found.user, found.issuer, found.identifier) == ("ada", OWN, "j1")
    assert found.allows("storage.read", "/cms/a")
    for operation, path in (
        ("storage.read", "/cmsX"),
        ("storage.read", "/cms/../atlas"),
        ("storage.read", "cms"),
        ("storage.create", "/cms"),
    ):
        assert not found.allows(operation, path)
    with pytest.raises(DeniedError, match="lacks the scope storage.read:/atlas"):
        found.require("storage.read", "/atlas")


@pytest.mark.parametrize(
    ("changes", "reads"),
    [
        ({"wlcg.ver": None}, False),
        ({"wlcg.ver": "2.0"}, False),
        ({"scope": None}, False),
        ({"scope": ["storage.read:/cms"]}, False),
        ({"wlcg.ver": None, "ver": "scitoken:2.0", "scope": "read:/cms"}, True),
        ({"wlcg.ver": None, "ver": "scitoken:1.0", "scope": "read:/cms"}, False),
    ],
)
def test_profiles(world, changes, reads):
    assert verify(world, token(**changes)).allows("storage.read", "/cms") is reads


def test_a_foreign_person_is_no_local_one(world):
    found = verify(world, foreign(aud=ANY_AUDIENCE))
    assert found.user == f"ada@{FOREIGN}"
    assert found.allows("storage.read", "/foreign/cms/a")
    assert not found.allows("storage.read", "/cms/a")
    # Whatever its issuer lets people be called.
    local = {verify(world, token(sub=name)).user for name in ("ada", "service:cache")}
    for name in (*local, f"ada@{OWN}", f"ada@{FOREIGN}", "@", "/"):
        assert verify(world, foreign(sub=name)).user not in {*local, name}


def test_paths_of_others_stay_below_their_base(world):
    found = verify(world, foreign(scope="storage.read:/../../cms storage.read:cms"))
    assert list(map(str, found.scopes)) == ["storage.read:/foreign/cms"]
    assert list(map(str, verify(world, foreign(scope="storage.read:/")).scopes)) == [
        "storage.read:/foreign"
    ]
    assert not verify(world, foreign(scope="storage.read:/")).allows("storage.read", "/foreignX")


def test_others_may_sign_with_rsa(world):
    jwk = jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True)
    world.keys[FOREIGN] = [{"kty": "oct", "kid": "f1", "k": "AAAA"}, {**jwk, "kid": "r1"}]
    text = jwt.encode(claims(iss=FOREIGN), RSA, algorithm="RS256", headers={"kid": "r1"})
    assert verify(world, text).issuer == FOREIGN
    with pytest.raises(LoginError, match="its issuer has not"):
        verify(world, foreign())


def test_a_revoked_token(world, monkeypatch):
    monkeypatch.setattr(module, "REVOKED_SECONDS", 0.0)

    async def run():
        one = verifier(world)
        await one.verify(token())
        world.revoked.append("j1")
        with pytest.raises(LoginError, match="revoked"):
            await one.verify(token())
        await one.verify(token(jti="j2"))
        await one.verify(token(jti=None))
        # Others' numbers are others'.
        await one.verify(foreign())

    asyncio.run(run())


def test_a_new_key_is_fetched_when_it_is_needed(world):
    async def run():
        one = verifier(world)
        await one.verify(token())
        asked = len(world.asked)
        await one.verify(token())
        assert len(world.asked) == asked  # kept
        world.keys[OWN] = [public("other", "k2"), *world.keys[OWN]]
        await one.verify(token("other", "k2"))
        await one.verify(token())

    asyncio.run(run())


def test_a_key_that_is_gone_ends_what_it_signed(world, monkeypatch):
    """`rotate-keys --now`: nobody need send a token of the new key first."""
    monkeypatch.setattr(module, "REVOKED_SECONDS", 0.05)

    async def run():
        one = verifier(world)
        await one.verify(token())
        world.keys[OWN] = [public("other", "k2")]
        await asyncio.sleep(0.06)
        with pytest.raises(LoginError, match="its issuer has not"):
            await one.verify(token())

    asyncio.run(run())


def test_strangers_can_t_make_it_ask_all_the_time(world, monkeypatch):
    monkeypatch.setattr(documents, "AGAIN_SECONDS", 60.0)

    async def run():
        one = verifier(world)
        await one.verify(token())
        for number in range(20):
            with pytest.raises(LoginError):
                await one.verify(token("other", f"x{number}"))

    asyncio.run(run())
    assert world.asked.count(f"{OWN}/jwks") == 1


def test_nobody_waits_twice_for_an_issuer_that_hangs(world, monkeypatch):
    """Its keys are asked for once, however many tokens come in that time."""
    monkeypatch.setattr(documents, "FIRST_SECONDS", 60.0)
    world.slow = 0.2
    world.down.add(OWN)

    async def run():
        one = verifier(world)
        began = time.monotonic()
        found = await asyncio.gather(
            *(one.verify(token()) for _ in range(20)), return_exceptions=True
        )
        assert all(isinstance(each, ServiceError) for each in found)
        assert time.monotonic() - began < 2
        await one.verify(foreign())  # the others are not kept from their work

    asyncio.run(run())
    assert world.asked.count(f"{OWN}/jwks") == 1


def test_the_issuer_is_away(world):
    async def run():
        one = verifier(world)
        world.down.add(OWN)
        with pytest.raises(ServiceError, match="can't be had"):
            await one.verify(token())
        world.down.clear()
        await one.verify(token())  # the failure is not remembered
        world.down.add(OWN)
        await one.verify(token())  # and the keys are good on
        with pytest.raises(LoginError):
            await one.verify(token("other", "k2"))

    asyncio.run(run())


def test_a_failure_is_remembered_for_a_second_at_most():
    assert documents.FIRST_SECONDS <= 1
    assert documents.AGAIN_SECONDS <= 10


ODD = {
    "an error": httpx.Response(500, json={"keys": []}),
    "elsewhere": httpx.Response(302, headers={"Location": "https://evil.example.org"}),
    "no JSON": httpx.Response(200, text="<html>"),
    "no object": httpx.Response(200, json=[]),
    "nothing in it": httpx.Response(200, json={}),
    "no lists": httpx.Response(200, json={"keys": None, "revoked": 5}),
    "deep": httpx.Response(200, content=b"[" * 100_000),
    "long": httpx.Response(200, content=b'{"keys": []}' + b" " * (documents.BYTES + 1)),
    "keys over an open connection": httpx.Response(200, json={"jwks_uri": "file:///etc/passwd"}),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_answer_takes_no_key_away(world, name, monkeypatch):
    monkeypatch.setattr(module, "REVOKED_SECONDS", 0.0)

    async def run():
        one, new = verifier(world), verifier(world)
        await one.verify(token())
        world.revoked.append("gone")
        with pytest.raises(LoginError, match="revoked"):
            await one.verify(token(jti="gone"))
        world.odd = ODD[name]
        await one.verify(token())
        with pytest.raises(LoginError, match="revoked"):
            await one.verify(token(jti="gone"))
        with pytest.raises(ServiceError):
            await new.verify(token())

    asyncio.run(run())


def test_keys_that_are_years_old_are_no_good(world, monkeypatch):
    monkeypatch.setattr(documents, "STALE_SECONDS", 0.05)
    monkeypatch.setattr(module, "REVOKED_SECONDS", 0.0)

    async def run():
        one = verifier(world)
        await one.verify(token())
        world.down.add(OWN)
        await asyncio.sleep(0.06)
        with pytest.raises(ServiceError):
            await one.verify(token())

    asyncio.run(run())


@pytest.mark.parametrize(
    "changes", [{"x": 5}, {"x": None}, {"crv": "P-0"}, {"alg": "HS256"}, {"y": "AAAA"}]
)
def test_a_broken_key_is_none(world, changes):
    world.keys[OWN] = ["x", {**public("own", "k1"), **changes}]
    with pytest.raises(LoginError, match="its issuer has not"):
        verify(world, token())


def test_keys_don_t_come_over_an_open_connection(world):
    world.jwks_of_foreign = "http://iam.example.org/jwks"
    with pytest.raises(ServiceError):
        verify(world, foreign())
    with pytest.raises(ConfigError, match="must be https"):
        Verifier([Issuer("http://iam.example.org")], AUDIENCE, None)
    Verifier([Issuer("http://127.0.0.1:1/services/tokens")], AUDIENCE, None)


def test_answers_of_a_service(world):
    """No token is 401 and never 500; a token that is not for this is 403; no issuer is 503."""
    app = FastAPI()
    equip(app, "/x")
    one = verifier(world)

    async def caller(request: Request):
        return await one.verify(bearer(request.headers.get("Authorization", "")))

    user = Depends(caller)

    @app.get("/x/data")
    def data(path: str, found=user) -> str:
        found.require("storage.read", path)
        return found.user

    async def ask(authorization, path="/cms/a"):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
            headers = {"Authorization": authorization} if authorization is not None else {}
            return await http.get("/x/data", params={"path": path}, headers=headers)

    table = [
        (None, "/cms/a", 401),
        ("", "/cms/a", 401),
        ("Bearer", "/cms/a", 401),
        ("Bearer x y", "/cms/a", 401),
        ("Basic YWRhOng=", "/cms/a", 401),
        (f"Bearer {token('other')}", "/cms/a", 401),
        (f"Bearer {token()}", "/atlas/a", 403),
        (f"Bearer {token()}", "/cms/a", 200),
    ]
    for authorization, path, expected in table:
        answer = asyncio.run(ask(authorization, path))
        assert answer.status_code == expected, (authorization, answer.text)
        if expected == 401:
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    world.down.add(OWN)
    one = verifier(world)
    answer = asyncio.run(ask(f"Bearer {token()}"))
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
