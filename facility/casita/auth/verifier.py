"""Verification of storage tokens (SciTokens, WLCG), for services.

What a token says is believed after its signature, issuer, audience and times were checked.  The
checks that libraries leave out by default, and where they go wrong, are each tested in
``tests/facility/test_verifier.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt

from casita.addresses import is_loopback
from casita.auth.documents import Document
from casita.auth.hub import could_be_token
from casita.auth.scopes import Scope, normalised, of_claims
from casita.backend import Issuer
from casita.errors import ConfigError, DeniedError, LoginError, ServiceError

ALGORITHMS = ("ES256", "RS256")
"""What the WLCG profile asks issuers to use. A symmetric one would make a public key a secret."""
TOKEN_BYTES = 16 * 1024
LEEWAY = 5.0
"""Seconds that clocks may differ."""
REQUIRED = ("iss", "sub", "aud", "exp", "iat")
ANY_AUDIENCE = "https://wlcg.cern.ch/jwt/v1/any"
"""WLCG Common JWT Profiles 1.0: a token for every service. Ours are never made so."""
KEYS_SECONDS = 600.0
REVOKED_SECONDS = 10.0
"""For what was taken back: tokens, and all keys of an issuer that takes tokens back (ours)."""
HINT = "`casita token storage` gets one"


@dataclass(frozen=True)
class StorageToken:
    """A verified token."""

    user: str
    """The hub's user; of another issuer ``<sub>@<issuer>``, who never is the same person."""
    issuer: str
    scopes: tuple[Scope, ...]
    expires: float
    """Unix time."""
    identifier: str
    """The claim ``jti``, or ""."""

    def allows(self, operation: str, path: str) -> bool:
        """Whether it allows an operation, e.g. ``storage.read``, on a path."""
        try:
            wanted = Scope(operation, normalised(path))
        except ValueError:
            return False
        return any(one.covers(wanted) for one in self.scopes)

    def require(self, operation: str, path: str) -> None:
        """Refuse what it does not allow.

        Raises
        ------
        DeniedError
            403, with the scope that is missing.
        """
        if not self.allows(operation, path):
            raise DeniedError(
                f"this token lacks the scope {operation}:{path[:200]}",
                hint="ask for it: `casita token storage --path ...`, or your facility's operator",
            )


class Verifier:
    """Checks tokens of trusted issuers for one audience.

    Parameters
    ----------
    issuers
        The facility's own first; tokens of others name other people.
    audience
        What ``aud`` must hold.
    http
        Fetches keys; closed by whoever made it.
    """

    def __init__(self, issuers: Sequence[Issuer], audience: str, http: httpx.AsyncClient) -> None:
        for one in issuers:
            _refuse_plain(one)
        self._own = issuers[0].url
        self._issuers = {one.url: one for one in issuers}
        self._keys = {
            one.url: Document(
                http, _keys_url(one), "keys", REVOKED_SECONDS if one.revoked else KEYS_SECONDS
            )
            for one in issuers
        }
        self._revoked = {
            one.url: Document(http, one.revoked, "revoked", REVOKED_SECONDS)
            for one in issuers
            if one.revoked
        }
        self._audience = audience

    async def verify(self, token: str) -> StorageToken:
        """Return what a token says, if it is good.

        Raises
        ------
        LoginError
            401: none was sent; it is no token, forged, expired, revoked, from another issuer or
            for another service.
        ServiceError
            503: its issuer's keys can't be had.
        """
        if not could_be_token(token) or len(token) > TOKEN_BYTES:
            raise LoginError("no valid token was sent", hint=HINT)
        key, issuer = await self._key_for(token)
        claims = _decoded(token, key, issuer, self._audiences(issuer))
        identifier = str(claims.get("jti") or "")
        if await self._is_revoked(issuer, identifier):
            raise LoginError("the token was revoked", hint=HINT)
        return StorageToken(
            user=claims["sub"] if issuer == self._own else f"{claims['sub']}@{issuer}",
            issuer=issuer,
            scopes=of_issuer(self._issuers[issuer], claims),
            expires=claims["exp"],
            identifier=identifier,
        )

    def _audiences(self, issuer: str) -> list[str]:
        return [self._audience] if issuer == self._own else [self._audience, ANY_AUDIENCE]

    async def _key_for(self, token: str) -> tuple[jwt.PyJWK, str]:
        """Return the key that must have signed it, and its issuer, on the token's word."""
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise LoginError("this is no signed token", hint=HINT) from error
        if not isinstance(issuer, str) or issuer not in self._keys:
            raise LoginError("the token's issuer is not trusted here", hint=HINT)
        if not isinstance(kid, str):
            raise LoginError("the token does not name its key (kid)", hint=HINT)
        document = self._keys[issuer]
        key = _find(await document.get(), kid) or _find(await document.get(again=True), kid)
        if key is None:
            raise LoginError("the token is signed with a key that its issuer has not", hint=HINT)
        return key, issuer

    async def _is_revoked(self, issuer: str, identifier: str) -> bool:
        if issuer not in self._revoked:
            return False
        try:
            return identifier in await self._revoked[issuer].get()
        except ServiceError:
            return False  # as other services, which wait until it has expired


def _refuse_plain(issuer: Issuer) -> None:
    parts = urlsplit(issuer.keys or issuer.url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ConfigError(
            f"the issuer {issuer.url!r} must be https: whoever is between could sign tokens",
            hint="tokens.trusted names issuers by their https:// URL",
        )


def _keys_url(issuer: Issuer) -> str:
    return issuer.keys or f"{issuer.url.rstrip('/')}/.well-known/openid-configuration"


def _find(keys: Iterable[Any], kid: str) -> jwt.PyJWK | None:
    for one in keys:
        if isinstance(one, dict) and one.get("kid") == kid and one.get("kty") in ("EC", "RSA"):
            try:
                return jwt.PyJWK(one)
            except jwt.PyJWTError:
                return None
    return None


def _decoded(token: str, key: jwt.PyJWK, issuer: str, audiences: list[str]) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            audience=audiences,
            issuer=issuer,
            leeway=LEEWAY,
            options={"require": list(REQUIRED)},
        )
        claims["exp"] = float(claims["exp"])
    except jwt.ExpiredSignatureError as error:
        raise LoginError("the token has expired", hint=HINT) from error
    except jwt.InvalidAudienceError as error:
        raise LoginError(f"the token is not for {audiences[0]}", hint=HINT) from error
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
        raise LoginError(f"the token is not good: {error}", hint=HINT) from error
    if not isinstance(claims["sub"], str) or not claims["sub"]:
        raise LoginError("the token names no user", hint=HINT)
    return claims


def of_issuer(issuer: Issuer, claims: Mapping[str, Any]) -> tuple[Scope, ...]:
    """Return what a token allows; one of neither profile allows nothing."""
    scitokens = claims.get("ver") in ("scitoken:2.0", "scitokens:2.0")
    scope = claims.get("scope")
    if not isinstance(scope, str) or not (scitokens or str(claims.get("wlcg.ver", "")) == "1.0"):
        return ()
    found = of_claims(scope, scitokens)
    return tuple(Scope(one.operation, normalised(issuer.base + one.path)) for one in found)
