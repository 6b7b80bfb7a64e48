"""Verification of storage tokens: every way in which one can be wrong, and its issuer be away."""

import asyncio
import json
import time

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import Depends, FastAPI, Request

from casita.auth import bearer, documents
from casita.auth.verifier import ANY_AUDIENCE, Verifier
from casita.backend import Issuer
from casita.errors import ConfigError, DeniedError, LoginError, ServiceError
from casita.serving import equip

OWN, FOREIGN = "https://casita.example.org/services/tokens", "https://iam.example.org/"
AUDIENCE = "https://casita.example.org/services/cache"
KEYS = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("own", "foreign", "other")}


def public(name, kid):
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(KEYS[name].public_key(), as_dict=True)
    return {**jwk, "kid": kid, "alg": "ES256", "use": "sig"}


class World:
    """The network as the verifier sees it."""

    def __init__(self):
        self.down = set()
        self.asked = []
        self.keys = {OWN: [public("own", "k1")], FOREIGN: [public("foreign", "f1")]}
        self.revoked = []
        self.jwks_of_foreign = f"{FOREIGN}jwks"

    def answer(self, request):
        url = str(request.url)
        self.asked.append(url)
        if any(url.startswith(one) for one in self.down):
            raise httpx.ConnectError("down")
        if url == f"{OWN}/jwks":
            return httpx.Response(200, json={"keys": self.keys[OWN]})
        if url == f"{OWN}/revoked":
            return httpx.Response(200, json={"revoked": self.revoked})
        if url == f"{FOREIGN}.well-known/openid-configuration":
            return httpx.Response(200, json={"jwks_uri": self.jwks_of_foreign})
        if url == f"{FOREIGN}jwks":
            return httpx.Response(200, json={"keys": self.keys[FOREIGN]})
        return httpx.Response(404)


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(documents, "AGAIN_SECONDS", 0.0)
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


def token(key="own", kid="k1", **changes):
    headers = {"kid": kid} if kid else {}
    return jwt.encode(claims(**changes), KEYS[key], algorithm="ES256", headers=headers)


def foreign(**changes):
    return token("foreign", "f1", **{"iss": FOREIGN, **changes})


def verify(world, text, one=None):
    return asyncio.run((one or verifier(world)).verify(text))


def hmac_of_public_key():
    pem = (
        KEYS["own"]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    import base64
    import hashlib
    import hmac

    def coded(content):
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    body = f"{coded({'alg': 'HS256', 'kid': 'k1'})}.{coded(claims())}"
    return f"{body}.{coded(hmac.new(pem, body.encode(), hashlib.sha256).digest())}"


def tampered():
    head, body, signature = token().split(".")
    other = token(sub="eve").split(".")[1]
    assert other != body
    return f"{head}.{other}.{signature}"


BAD = {
    "nothing": lambda: "",
    "blanks": lambda: "a b",
    "not ASCII": lambda: "tökén",
    "no token": lambda: "abc",
    "three dots": lambda: "a.b.c",
    "a list": lambda: jwt.encode({"a": 1}, "x" * 32, algorithm="HS256"),
    "not signed": lambda: jwt.encode(claims(), None, algorithm="none", headers={"kid": "k1"}),
    "signed with the public key": hmac_of_public_key,
    "tampered": tampered,
    "somebody else's key": lambda: token("other"),
    "unknown key": lambda: token("other", "k9"),
    "no key named": lambda: token(kid=None),
    "expired": lambda: token(exp=int(time.time()) - 60),
    "not yet": lambda: token(nbf=int(time.time()) + 600),
    "no end": lambda: token(exp=None),
    "no audience": lambda: token(aud=None),
    "no user": lambda: token(sub=None),
    "empty user": lambda: token(sub=""),
    "no time": lambda: token(iat=None),
    "another audience": lambda: token(aud="https://casita.example.org/services/columns"),
    "a longer audience": lambda: token(aud=AUDIENCE + "/x"),
    "any audience, from us": lambda: token(aud=ANY_AUDIENCE),
    "unknown issuer": lambda: token(iss="https://evil.example.org"),
    "issuer with a slash": lambda: token(iss=OWN + "/"),
    "foreign issuer, our key": lambda: token(iss=FOREIGN),
    "our issuer, foreign key": lambda: token("foreign", "f1"),
    "too long": lambda: token(padding="x" * 20_000),
    "deep": lambda: "e30." + "WyJ" * 5000 + ".x",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused(world, name):
    with pytest.raises(LoginError) as said:
        verify(world, BAD[name]())
    assert not isinstance(said.value, DeniedError)


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


def test_a_revoked_token(world):
    one = verifier(world)
    verify(world, token(), one)
    world.revoked.append("j1")
    with pytest.raises(LoginError, match="revoked"):
        verify(world, token(), verifier(world))


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
