"""Who calls, and the service's own tokens."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import Request

from casita.auth import bearer
from casita.auth.scopes import READ, of_claims, without_redundant
from casita.auth.verifier import StorageToken, Verifier
from casita.errors import LoginError, ServiceError
from casita_columns.records.tables import Request as RequestRow
from casita_columns.settings import ServiceSettings
from casita_columns.workers.pool import Rights

SHARE = 0.5
"""Tokens are renewed after this part of their life."""


def rights_of(caller: StorageToken) -> Rights:
    """Return with whose rights a caller's files are read: no more of them than the token has."""
    reads = [one for one in without_redundant(caller.scopes) if one.operation == READ]
    return Rights(caller.user, " ".join(map(str, reads)))


def rights_for(request: RequestRow) -> Rights:
    """Return with whose rights a request's files are read: those that it came with."""
    return Rights(request.owner, request.reads)


def covers(reads: str, others: str) -> bool:
    """Whether who may read by the scopes ``reads`` may read all that ``others`` are for."""
    may = of_claims(reads)
    return all(any(one.covers(two) for one in may) for two in of_claims(others))


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

    def reader(self, rights: Rights, audience: str = "") -> str:
        """Return a token with which data are read; "" where none is needed, or nothing may be.

        Parameters
        ----------
        audience
            Names of services; by default those whose files need one.
        """
        return self._readers.token(rights, audience or self._settings.reads_for)


@dataclass(frozen=True)
class _Kept:
    token: str
    until: float
    """Monotonic time when a new one is wanted, and when it has expired."""
    end: float


class Readers:
    """Storage tokens of users, read-only, got by the service for itself.

    They allow what the tokens did that came with requests, and no more: servers that hold the data
    then refuse the rest, and a server that a request names and that asks for a token gets no other.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._kept: dict[tuple[Rights, str], _Kept] = {}
        self._lock = threading.Lock()

    def token(self, rights: Rights, audience: str) -> str:
        """Return a token; "" where none is needed, or none can be had now."""
        if not audience or not rights.reads:
            return ""
        key = (rights, audience)
        with self._lock:
            now = time.monotonic()
            self._kept = {one: kept for one, kept in self._kept.items() if kept.end > now}
            kept = self._kept.get(key)
            if kept is None or kept.until < now:
                try:
                    kept = self._kept[key] = self._fetch(*key)
                except (httpx.HTTPError, OSError, ValueError, KeyError):
                    return kept.token if kept else ""
            return kept.token

    def _fetch(self, rights: Rights, audience: str) -> _Kept:
        own = self._settings.token_file.read_text().strip()
        form = {"audience": audience, "requested_subject": rights.user, "scope": rights.reads}
        with httpx.Client(timeout=10, trust_env=False) as http:
            answer = http.post(
                self._settings.issuer, data=form, headers={"Authorization": f"Bearer {own}"}
            )
        answer.raise_for_status()
        content = answer.json()
        now, life = time.monotonic(), float(content["expires_in"])
        return _Kept(str(content["access_token"]), now + SHARE * life, now + life)


def _content(answer: httpx.Response) -> dict[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
