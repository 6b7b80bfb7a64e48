"""The cache's service over HTTP: for terminals and kernels, and for event loops.

The session's hub token is traded for a storage token, which the service wants.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter

from casita.client import checked
from casita.errors import CasitaError, MissingError, ServiceError
from casita.storage import StorageToken, async_storage_token, storage_token
from casita_cache.models import (
    Access,
    DatasetState,
    Evicted,
    FileState,
    Job,
    Listing,
    Pinned,
    Status,
    Targets,
)

PREFIX = "/services/cache"
AUDIENCE = "cache"
EARLY_SECONDS = 5.0
"""A storage token is replaced so long before it ends."""
Answer = TypeVar("Answer")
NO_CACHE = MissingError(
    "this facility has no cache", hint="its operator adds one: [backends.cache.origins.NAME]"
)


def targets(names: Iterable[str]) -> Targets:
    """Return what is meant by names: URLs, and datasets."""
    urls, datasets = list[str](), list[str]()
    for one in names:
        (urls if "://" in one else datasets).append(one)
    if not urls and not datasets:
        raise CasitaError("no file and no dataset was named", hint="`casita cache datasets`")
    return Targets(urls=urls, datasets=datasets)


class _Calls:
    """The requests, apart from how they are sent."""

    _token: StorageToken | None = None

    def _valid(self) -> dict[str, str] | None:
        if self._token is None or self._token.expires < time.time() + EARLY_SECONDS:
            return None
        return {"Authorization": f"Bearer {self._token.token}"}


def _read(response: httpx.Response, kind: type[Answer]) -> Answer:
    # Without such a service, the hub answers in its place: it sends browsers to its pages.
    if response.is_redirect or (response.status_code == 404 and not _is_ours(response)):
        raise NO_CACHE
    if response.status_code in (502, 503, 504) and not _is_ours(response):
        raise ServiceError(
            "the service of the cache does not answer",
            hint="programs read on without it; if it stays down, `casita status` tells why",
            status=response.status_code,
        )
    try:
        content = checked(response)
    except ServiceError as error:
        if error.status == 404:
            raise MissingError(error.message, hint=error.hint) from None
        raise
    return TypeAdapter(kind).validate_python(content)


def _is_ours(response: httpx.Response) -> bool:
    return "application/json" in response.headers.get("content-type", "")


class Cache(_Calls):
    """The caches of the facility that a session is with.

    Parameters
    ----------
    http
        Session with the facility.
    """

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def _ask(self, kind: type[Answer], method: str, path: str, **more: Any) -> Answer:
        headers = self._valid()
        if headers is None:
            try:
                self._token = storage_token(self._http, AUDIENCE)
            except ServiceError as error:
                raise _explained(error) from None
            headers = self._valid()
        return _read(self._http.request(method, f"{PREFIX}/{path}", headers=headers, **more), kind)

    def status(self) -> Status:
        """Return every cache and what it did."""
        return self._ask(Status, "GET", "status")

    def listing(self, url: str) -> Listing:
        """Return a folder of an origin, with what its cache has.

        Raises
        ------
        MissingError
            There is no such folder, or no cache for its server.
        """
        return self._ask(Listing, "GET", "files", params={"url": url})

    def file(self, url: str) -> FileState:
        """Return one file.

        Raises
        ------
        MissingError
            There is no such file, or no cache for its server.
        """
        return self._ask(FileState, "GET", "file", params={"url": url})

    def datasets(self, search: str = "") -> list[DatasetState]:
        """Return the datasets that hold all words of ``search``."""
        return self._ask(list[DatasetState], "GET", "datasets", params={"search": search})

    def fileset(self, name: str) -> dict[str, Any]:
        """Return a dataset in coffea's form.

        Raises
        ------
        MissingError
            There is none of that name.
        """
        return self._ask(dict[str, Any], "GET", f"datasets/{name}")

    def accesses(self) -> list[Access]:
        """Return what the caches did with files that were closed lately."""
        return self._ask(list[Access], "GET", "accesses")

    def prefetch(self, what: Targets) -> Job:
        """Fetch files into the caches; returns at once."""
        return self._post(Job, "prefetches", what)

    def prefetches(self) -> list[Job]:
        """Return the user's prefetches, newest first."""
        return self._ask(list[Job], "GET", "prefetches")

    def job(self, identifier: str) -> Job:
        """Return one prefetch."""
        return self._ask(Job, "GET", f"prefetches/{identifier}")

    def cancel(self, identifier: str) -> None:
        """Stop a prefetch."""
        self._ask(type(None), "DELETE", f"prefetches/{identifier}")

    def pin(self, what: Targets) -> Pinned:
        """Fetch files, and keep them through purges."""
        return self._post(Pinned, "pins", what)

    def unpin(self, what: Targets) -> Pinned:
        """Keep files no longer."""
        return self._post(Pinned, "unpin", what)

    def evict(self, what: Targets, unused: float = 0) -> Evicted:
        """Remove files from the caches' disks, pinned ones excepted.

        Parameters
        ----------
        unused
            Only those that nobody has used for so many seconds.
        """
        return self._post(Evicted, "evict", what, params={"unused": unused})

    def suspect(self, url: str) -> bool:
        """Have a cached copy checked; returns whether it was corrupt, and is gone."""
        body = {"url": url}
        return bool(self._ask(dict[str, bool], "POST", "suspect", json=body)["dropped"])

    def _post(self, kind: type[Answer], path: str, body: BaseModel, **more: Any) -> Answer:
        return self._ask(kind, "POST", path, json=body.model_dump(), **more)


class AsyncCache(_Calls):
    """The same for programs with an event loop; one method for all requests."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def ask(self, kind: type[Answer], method: str, path: str, **more: Any) -> Answer:
        """Send a request and return its answer as ``kind``.

        Raises
        ------
        MissingError
            404, or the facility has no cache.
        ServiceError
            Any other error, with its message.
        """
        headers = self._valid()
        if headers is None:
            try:
                self._token = await async_storage_token(self._http, AUDIENCE)
            except ServiceError as error:
                raise _explained(error) from None
            headers = self._valid()
        response = await self._http.request(method, f"{PREFIX}/{path}", headers=headers, **more)
        return _read(response, kind)


def _explained(error: ServiceError) -> CasitaError:
    return NO_CACHE if error.status == 400 and "tokens are made for" in error.message else error
