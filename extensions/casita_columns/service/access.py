"""Who calls, and the service's own tokens."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import Request

from casita.auth import bearer
from casita.auth.verifier import StorageToken, Verifier
from casita.errors import LoginError, ServiceError
from casita_columns.settings import ServiceSettings

SHARE = 0.5
"""Tokens are renewed after this part of their life."""


class Access:
    """Checks callers' tokens and gets those with which their files are read.

    Parameters
    ----------
    http
        For the issuer's keys and tokens.
    """

    def __init__(self, settings: ServiceSettings, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._http = http
        # Only the facility's own users have an account here under which code could run.
        own = settings.trust.issuers[:1]
        self._verifier = Verifier(own, settings.trust.audience, http)
        self._readers = Readers(settings)

    async def caller(self, request: Request) -> StorageToken:
        """Return what the request's token says.

        Raises
        ------
        LoginError
            401: it is not good.
        ServiceError
            503: its issuer does not answer.
        """
        return await self._verifier.verify(bearer(request.headers.get("Authorization", "")))

    async def exchange(self, request: Request) -> str:
        """Trade a hub token, which ServiceX's client calls a refresh token, for a short one.

        Raises
        ------
        LoginError
            401: the hub does not know it, or it may not use this service.
        ServiceError
            503: the issuer does not answer.
        """
        token = bearer(request.headers.get("Authorization", ""))
        if not token or not token.isascii():
            raise LoginError("no token was sent", hint="`casita login URL` gets one")
        try:
            answer = await self._http.post(
                self._settings.issuer,
                data={"audience": "columns"},
                headers={"Authorization": f"Bearer {token}"},
            )
        except httpx.HTTPError as error:
            raise ServiceError("the token issuer does not answer", hint="try again") from error
        content = _content(answer)
        if answer.status_code >= 500:
            raise ServiceError("the token issuer is in trouble", hint="try again in a moment")
        if answer.is_error:
            why = str(content.get("error_description", "refused"))
            raise LoginError(why, hint=str(content.get("hint", "")))
        return str(content["access_token"])

    def reader(self, user: str, audience: str = "") -> str:
        """Return a token with which a user's data are read; "" where none is needed.

        Parameters
        ----------
        audience
            Names of services; by default those whose files need one.
        """
        return self._readers.token(user, audience or self._settings.reads_for)


@dataclass(frozen=True)
class _Kept:
    token: str
    until: float


class Readers:
    """Storage tokens of users, read-only, got by the service for itself."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._lock = threading.Lock()

    def token(self, user: str, audience: str) -> str:
        """Return a user's token; "" where none is needed, or none can be had now."""
        if not audience:
            return ""
        key = (user, audience)
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept.until < time.monotonic():
                try:
                    kept = self._kept[key] = self._fetch(*key)
                except (httpx.HTTPError, OSError, ValueError, KeyError):
                    return kept.token if kept else ""
            return kept.token

    def _fetch(self, user: str, audience: str) -> _Kept:
        own = self._settings.token_file.read_text().strip()
        form = {"audience": audience, "requested_subject": user}
        with httpx.Client(timeout=10, trust_env=False) as http:
            answer = http.post(
                self._settings.issuer, data=form, headers={"Authorization": f"Bearer {own}"}
            )
        answer.raise_for_status()
        content = answer.json()
        return _Kept(
            str(content["access_token"]), time.monotonic() + SHARE * float(content["expires_in"])
        )


def _content(answer: httpx.Response) -> dict[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
