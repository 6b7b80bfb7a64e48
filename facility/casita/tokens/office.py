"""Makes tokens: who asks, what they may do, one line in the log."""

from __future__ import annotations

import time
import uuid
from typing import Any

import httpx
import jwt
from pydantic import BaseModel

from casita.auth.hub import HubUser
from casita.auth.scopes import READ, Scope
from casita.errors import DeniedError
from casita.login.scopes import not_held
from casita.serving import Refused
from casita.site import Site
from casita.tokens import JWT
from casita.tokens.hub import groups_of, is_itself, subject_of
from casita.tokens.keys import KeyRing
from casita.tokens.policy import allowed, granted
from casita.tokens.records import Audit, Revoked

GATEWAY = "dask-gateway"
"""Runs users' clusters, which need tokens of their owners."""


class Issued(BaseModel):
    """A new token (RFC 8693, section 2.2.1)."""

    access_token: str
    issued_token_type: str = JWT
    token_type: str = "Bearer"
    expires_in: int
    """Seconds."""
    scope: str


class Office:
    """The issuer of one facility."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.http = httpx.AsyncClient(timeout=20, trust_env=False)
        self.keys = KeyRing(site.state / "secrets" / "token_keys", site.config.tokens.lifetime)
        self.audit = Audit(site.logs / "tokens-audit.jsonl")
        self.revoked = Revoked(site.state / "hub" / "revoked.json")
        self._own_token = site.secret("tokens_token")
        self._trusted = {GATEWAY, *(one.name for one in site.backends.values() if one.for_users)}
        self._scopes = {
            one.name: one.scopes[one.name]
            for one in site.backends.values()
            if one.name in one.scopes
        }
        """Who may use a backend may have tokens for it."""

    def audiences(self, wanted: str) -> list[str]:
        """Return the backends that are meant, of names separated by spaces.

        Raises
        ------
        Refused
            400, ``invalid_target`` (RFC 8693, section 2.2.2).
        """
        names = [self._audience(one) for one in wanted.split() or [""]]
        return list(dict.fromkeys(names))

    def _audience(self, wanted: str) -> str:
        """Return a backend by its name or by what ``aud`` will hold."""
        for name in self._scopes:
            if wanted in (name, self.site.audience(name)):
                return name
        there = ", ".join(sorted(self._scopes)) or "none here"
        raise Refused(
            400, "invalid_target", f"no tokens are made for {wanted[:80]!r}", f"there are: {there}"
        )

    async def issue(self, token: str, audience: str, scope: str, named: str) -> Issued:
        """Return a token for the owner of a hub token.

        Of several services it is for those that the hub token may use: programs ask for all that
        the facility has, and the others would refuse them anyway.

        Raises
        ------
        CasitaError
            It is refused, for a reason of the caller's or of ours.
        """
        names = self.audiences(audience)
        user, service = await subject_of(
            self.http, self.site.hub_api, token, named, " ".join(names), self._trusted
        )
        if not service:
            names = self._usable(names, user)
        scopes = granted(scope, await self._may(user.name, service))
        claims = self._claims(user.name, names, scopes)
        self.audit.note(
            "issued",
            **{key: claims[key] for key in ("sub", "aud", "scope", "jti", "exp")},
            by=service or f"token {user.token_id}",
        )
        return Issued(
            access_token=self.keys.sign(claims),
            expires_in=claims["exp"] - claims["iat"],
            scope=claims["scope"],
        )

    def _usable(self, names: list[str], user: HubUser) -> list[str]:
        usable = [one for one in names if not not_held([self._scopes[one]], user.scopes, user.name)]
        if not usable:
            raise DeniedError(
                f"your hub token may not use {names[0]!r}, so it gets no token for it",
                hint=f"log in with the scope: `casita login URL --scope {names[0]}`",
            )
        return usable

    async def _may(self, user: str, service: str) -> list[Scope]:
        if is_itself(user, service):
            return [Scope(READ, "/")]  # it sees to what users may see
        groups = await groups_of(self.http, self.site.hub_api, self._own_token, user)
        may = allowed(self.site.config, user, groups)
        # Users' clusters write what their owners may; a backend reads what it was asked to.
        return may if service in ("", GATEWAY) else [one for one in may if one.operation == READ]

    def _claims(self, user: str, names: list[str], scopes: list[Scope]) -> dict[str, Any]:
        """Return claims of WLCG's profile.

        A ``ver`` of SciTokens besides would make XRootD read the scopes by that profile, in which
        ``storage.read`` means nothing.
        """
        now = int(time.time())
        audiences = [self.site.audience(one) for one in names]
        return {
            "iss": self.site.issuer,
            "sub": user,
            "aud": audiences[0] if len(audiences) == 1 else audiences,
            "iat": now,
            "nbf": now,
            "exp": now + self.site.config.tokens.lifetime,
            "jti": uuid.uuid4().hex,
            "wlcg.ver": "1.0",
            "scope": " ".join(map(str, scopes)),
        }

    def take_back(self, token: str) -> None:
        """Revoke a token of ours; any other is no business of ours, and no error (RFC 7009)."""
        claims = None
        for key in jwt.PyJWKSet.from_dict(self.keys.public()).keys:
            try:
                claims = jwt.decode(token, key, algorithms=["ES256"], options={"verify_aud": False})
            except (jwt.PyJWTError, ValueError, RecursionError):
                continue
        if claims is not None:
            self.revoked.add(claims["jti"], claims["exp"], claims["sub"])
            self.audit.note("revoked", sub=claims["sub"], aud=claims["aud"], jti=claims["jti"])
