"""The hub as this service uses it: who a token belongs to; make, list and revoke tokens."""

from __future__ import annotations

import base64
import secrets
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from casita.auth import HubUser, user_of
from casita.errors import LoginError, ServiceError
from casita.login import NOTE, SERVICE
from casita.serving import Refused
from casita.site import LOGIN_PREFIX

REDIRECT = f"{LOGIN_PREFIX}/oauth_callback"
CLIENT = f"service-{SERVICE}"


class Hub:
    """The hub's API with this service's token.

    Parameters
    ----------
    api
        E.g. ``http://127.0.0.1:8081/hub/api``.
    token
        This service's own; it is the OAuth client's secret, too.
    """

    def __init__(self, api: str, token: str) -> None:
        self._api = api
        self._token = token
        self._http = httpx.AsyncClient(timeout=20, trust_env=False)

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    async def user(self, token: str) -> HubUser:
        """Return the owner and scopes of a token.

        Raises
        ------
        LoginError
            The hub does not know it, or it has expired.
        """
        return await user_of(self._http, self._api, token)

    # ---- browser login, OAuth 2 with PKCE (RFC 7636)

    def authorize(self, state: str) -> tuple[str, str]:
        """Return (path to send the browser to, code verifier to keep)."""
        verifier = secrets.token_urlsafe(48)
        digest = sha256(verifier.encode()).digest()
        query = {
            "client_id": CLIENT,
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "state": state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return f"/hub/api/oauth2/authorize?{urlencode(query)}", verifier

    async def user_for_code(self, code: str, verifier: str) -> HubUser:
        """Return who has just logged in; their token is used once and forgotten.

        Raises
        ------
        LoginError
            The hub refused the code.
        """
        form = {
            "client_id": CLIENT,
            "client_secret": self._token,
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT,
            "code_verifier": verifier,
        }
        answer = await self._send("POST", "/oauth2/token", data=form)
        if answer.is_error:
            raise LoginError("the hub refused this login", hint="start again")
        return await self.user(answer.json()["access_token"])

    # ---- tokens

    async def make_token(
        self, user: str, scopes: list[str], seconds: int, note: str
    ) -> dict[str, Any]:
        """Return the hub's model of a new token; ``["token"]`` is the token itself.

        Raises
        ------
        Refused
            The user does not hold such a scope, or exists no longer.
        ServiceError
            The hub does not answer.
        """
        body = {"scopes": scopes, "expires_in": seconds, "note": f"{NOTE}{note}"}
        made: dict[str, Any] = await self._ask("POST", _tokens_of(user), json=body)
        return made

    async def token(self, user: str, identifier: str) -> dict[str, Any]:
        """Return the hub's model of one token, wherever it was made."""
        found: dict[str, Any] = await self._ask("GET", _tokens_of(user, identifier))
        return found

    async def tokens(self, user: str) -> list[dict[str, Any]]:
        """Return the hub's models of the tokens made here for a user."""
        answer = await self._ask("GET", _tokens_of(user))
        return [one for one in answer["api_tokens"] if (one["note"] or "").startswith(NOTE)]

    async def revoke(self, user: str, identifier: str) -> None:
        """Revoke one of a user's tokens."""
        await self._ask("DELETE", _tokens_of(user, identifier))

    async def _ask(self, method: str, path: str, **more: Any) -> Any:
        answer = await self._send(
            method, path, headers={"Authorization": f"token {self._token}"}, **more
        )
        if answer.is_error:
            raise Refused(403, "refused", f"the hub refused: {_message(answer)}")
        return answer.json() if answer.content else None

    async def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            answer = await self._http.request(method, self._api + path, **more)
        except httpx.HTTPError as error:
            raise ServiceError("the hub does not answer", hint="try again in a moment") from error
        if answer.status_code >= 500:
            raise ServiceError("the hub is in trouble", hint="try again in a moment")
        return answer


def _tokens_of(user: str, *identifier: str) -> str:
    return "/" + "/".join(quote(part, safe="") for part in ("users", user, "tokens", *identifier))


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return str(answer.status_code)
