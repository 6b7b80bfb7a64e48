"""The cache's service over HTTP: for terminals and kernels, and for event loops."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httpx
from pydantic import BaseModel

from casita.errors import CasitaError, MissingError
from casita.offered import About, Answer, AsyncOffered, Offered
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

CACHE = About(
    name="cache",
    absent=MissingError(
        "this facility has no cache", hint="its operator adds one: [backends.cache.origins.NAME]"
    ),
    down=CasitaError(
        "the service of the cache does not answer",
        hint="programs read on without it; if it stays down, `casita status` tells why",
    ),
)


def targets(names: Iterable[str]) -> Targets:
    """Return what is meant by names: URLs, and datasets."""
    urls, datasets = list[str](), list[str]()
    for one in names:
        (urls if "://" in one else datasets).append(one)
    if not urls and not datasets:
        raise CasitaError("no file and no dataset was named", hint="`casita cache datasets`")
    return Targets(urls=urls, datasets=datasets)


class Cache:
    """The caches of the facility that a session is with.

    Parameters
    ----------
    http
        Session with the facility.
    """

    def __init__(self, http: httpx.Client) -> None:
        self._ask = Offered(http, CACHE).ask

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


class AsyncCache(AsyncOffered):
    """The same for programs with an event loop; one method for all requests."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        super().__init__(http, CACHE)
