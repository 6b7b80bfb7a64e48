"""A backend's service over HTTP, for its clients.

The session's hub token is traded for a storage token, which such services want.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter

from casita.client import checked
from casita.errors import CasitaError, MissingError, ServiceError
from casita.storage import StorageToken, async_storage_token, storage_token

EARLY_SECONDS = 5.0
"""A storage token is replaced so long before it ends."""
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class About:
    """What a client knows of its service."""

    name: str
    """Of the backend, and so of the service and of its tokens' audience."""
    absent: MissingError
    """What to tell where the facility has none."""
    down: CasitaError
    """What to tell while it does not answer."""

    @property
    def prefix(self) -> str:
        """Path of the service."""
        return f"/services/{self.name}"

    def read(self, response: httpx.Response, kind: type[Answer]) -> Answer:
        """Return an answer as ``kind``.

        Raises
        ------
        MissingError
            404, or the facility has no such service.
        ServiceError
            Any other error, with its message.
        """
        # Without such a service, the hub answers in its place: it sends browsers to its pages.
        if response.is_redirect or (response.status_code == 404 and not _is_ours(response)):
            raise self.absent
        if response.status_code in (502, 503, 504) and not _is_ours(response):
            raise ServiceError(self.down.message, hint=self.down.hint, status=response.status_code)
        try:
            content = checked(response)
        except ServiceError as error:
            if error.status == 404:
                raise MissingError(error.message, hint=error.hint) from None
            raise
        return TypeAdapter(kind).validate_python(content)

    def explain(self, error: ServiceError) -> CasitaError:
        """Return what to tell if there is no token for the service."""
        unknown = error.status == 400 and "tokens are made for" in error.message
        return self.absent if unknown else error


def _is_ours(response: httpx.Response) -> bool:
    return "application/json" in response.headers.get("content-type", "")


class _Caller:
    """The storage token of a session."""

    def __init__(self, about: About) -> None:
        self.about = about
        self._token: StorageToken | None = None

    def _valid(self) -> dict[str, str] | None:
        if self._token is None or self._token.expires < time.time() + EARLY_SECONDS:
            return None
        return {"Authorization": f"Bearer {self._token.token}"}


class Offered(_Caller):
    """The service.

    Parameters
    ----------
    http
        Session with the facility.
    """

    def __init__(self, http: httpx.Client, about: About) -> None:
        super().__init__(about)
        self.http = http

    def headers(self) -> dict[str, str]:
        """Return headers with a token that is good for a while.

        Raises
        ------
        CasitaError
            There is none for this session, or no such service.
        """
        headers = self._valid()
        if headers is None:
            try:
                self._token = storage_token(self.http, self.about.name)
            except ServiceError as error:
                raise self.about.explain(error) from None
            headers = self._valid() or {}
        return headers

    def ask(self, kind: type[Answer], method: str, path: str, **more: Any) -> Answer:
        """Send a request and return its answer as ``kind``.

        Raises
        ------
        MissingError
            404, or the facility has no such service.
        ServiceError
            Any other error, with its message.
        """
        url, headers = f"{self.about.prefix}/{path}", self.headers()
        return self.about.read(self.http.request(method, url, headers=headers, **more), kind)


class AsyncOffered(_Caller):
    """The same for programs with an event loop."""

    def __init__(self, http: httpx.AsyncClient, about: About) -> None:
        super().__init__(about)
        self.http = http

    async def headers(self) -> dict[str, str]:
        """Return the same as :meth:`Offered.headers`."""
        headers = self._valid()
        if headers is None:
            try:
                self._token = await async_storage_token(self.http, self.about.name)
            except ServiceError as error:
                raise self.about.explain(error) from None
            headers = self._valid() or {}
        return headers

    async def ask(self, kind: type[Answer], method: str, path: str, **more: Any) -> Answer:
        """Do the same as :meth:`Offered.ask`."""
        url, headers = f"{self.about.prefix}/{path}", await self.headers()
        return self.about.read(await self.http.request(method, url, headers=headers, **more), kind)
