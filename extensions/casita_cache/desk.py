"""What the service knows and does, apart from HTTP: caches, datasets, pins, prefetches."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from casita.auth.scopes import is_below
from casita.auth.verifier import StorageToken
from casita.backend import Settings, Trust
from casita.errors import CasitaError, MissingError
from casita.serving import Refused
from casita_cache import catalogue, reading
from casita_cache.caches import Caches
from casita_cache.catalogue import Catalogue, Dataset
from casita_cache.jobs import Item, Jobs
from casita_cache.models import (
    DatasetState,
    Evicted,
    FileState,
    FolderState,
    Job,
    Listing,
    Pinned,
    Targets,
)
from casita_cache.pins import Pins
from casita_cache.routing import Route
from casita_cache.servers import Server
from casita_cache.settings import LOCAL
from casita_cache.store import Cached

logger = logging.getLogger("casita.cache")
READ, STAGE = "storage.read", "storage.stage"
PINNED_PART = 0.8
"""Of a cache's size that may be pinned: the rest is for everything else."""


class ServiceSettings(Settings):
    """What the service is given when it starts."""

    port: int
    directory: Path
    """For its own files."""
    issuer: str
    """Token endpoint on this machine."""
    token_file: Path
    """Holds its own hub token."""
    trust: Trust
    servers: tuple[Server, ...]
    routes: str
    """JSON, as kernels get it."""
    guarded: bool
    parallel: int
    revalidate: int
    """Seconds."""
    user_metrics: bool
    datasets: dict[str, Any]
    catalogue: Path | None


class Desk:
    """What one facility's caches hold and do, as the owners of tokens may see and order it."""

    def __init__(self, settings: ServiceSettings, caches: Caches) -> None:
        self.settings = settings
        self.caches = caches
        self._prefix = next((one.prefix for one in settings.servers if one.role == "origin"), "")
        self._checking = threading.Lock()
        inline = catalogue.parse(settings.datasets, "casita.toml") if settings.datasets else []
        self.catalogue = Catalogue(inline, settings.catalogue)
        self.pins = Pins(settings.directory / "pins.json", caches.url_of)
        self.jobs = Jobs(
            settings.directory / "jobs.json", caches.fetch, settings.parallel, self._broken
        )

    # ---- names

    def expand(self, targets: Targets, token: StorageToken, right: str) -> Iterator[Item]:
        """Yield the files that are meant, each of which the token must allow.

        Raises
        ------
        CasitaError
            One is not there, or not the caller's business.
        """
        for name in targets.datasets:
            for one in self.catalogue.get(name).files:
                yield self._item(one.url, one.size, token, right)
        for url in targets.urls:
            route, path = self.caches.route_of(url)
            if path.endswith("/") or any(mark in path for mark in "*?"):
                folder = path.rpartition("/")[0] or "/"
                token.require(right, folder)
                for found, size in self.caches.expand(route, path):
                    yield self._item(route.origin_url(found), size, token, right)
            else:
                yield self._item(url, None, token, right)

    def _item(self, url: str, size: int | None, token: StorageToken, right: str) -> Item:
        route, path = self.caches.route_of(url)
        token.require(right, path)
        return Item(route.origin_url(path), size)

    # ---- looking

    def state_of(self, url: str, token: StorageToken) -> FileState:
        """Return one file.

        Raises
        ------
        MissingError
            Neither the cache nor the origin has it.
        """
        route, path = self.caches.route_of(url)
        token.require(READ, path)
        if one := self.caches.stores[route.name].stat(path):
            return self._cached(route, one)
        return self._uncached(route, path, self.caches.stat(route, path).size)

    def _cached(self, route: Route, one: Cached) -> FileState:
        url, info = route.origin_url(one.path), one.info
        return FileState(
            url=url,
            origin=route.name,
            path=one.path,
            size=info.size,
            cached=info.cached_bytes,
            fraction=info.fraction,
            accesses=info.accesses,
            last_access=info.last_access,
            pinned=url in self.pins,
        )

    def _uncached(self, route: Route, path: str, size: int) -> FileState:
        url = route.origin_url(path)
        return FileState(
            url=url,
            origin=route.name,
            path=path,
            size=size,
            cached=0,
            fraction=0.0,
            accesses=0,
            last_access=None,
            pinned=url in self.pins,
        )

    def listing(self, url: str, token: StorageToken) -> Listing:
        """Return what an origin's folder holds, and what its cache has of that.

        Raises
        ------
        MissingError
            There is no such folder, as far as anybody can tell.
        """
        route, path = self.caches.route_of(url)
        path = path.rstrip("/") or "/"
        allowed = self._may_see(token, path)
        cached = [one for one in self.caches.stores[route.name].files(path) if allowed(one.path)]
        files, folders = _level(path, cached)
        if mount := _next_folder(path, self._prefix if route.name == LOCAL else ""):
            folders.setdefault(mount, [])  # XRootD does not list what is above its exports
        there: list[tuple[str, int, bool]] = []
        complete = True
        try:
            there = self.caches.listing(route, path)
        except MissingError:
            if not cached and not mount:
                raise
        except CasitaError:
            complete = bool(mount)
        for name, _, is_folder in there:
            if is_folder and allowed(name):
                folders.setdefault(name, [])
        states = {one.path: self._cached(route, one) for one in files}
        for name, size, is_folder in there:
            if not is_folder and allowed(name):
                states.setdefault(name, self._uncached(route, name, size))
        return Listing(
            folders=[_folder(route, name, found) for name, found in sorted(folders.items())],
            files=[states[name] for name in sorted(states)],
            complete=complete,
        )

    def _may_see(self, token: StorageToken, path: str) -> Any:
        """Return what tells whether a path may be shown: readable, or on the way to what is."""
        readable = [one.path for one in token.scopes if one.operation == READ]
        if not any(is_below(path, one) or is_below(one, path) for one in readable):
            token.require(READ, path)
        return lambda name: any(is_below(name, one) or is_below(one, name) for one in readable)

    def dataset_state(self, one: Dataset) -> DatasetState:
        """Return a dataset, and what the caches have of it."""
        cached, sizes, fractions, pinned = 0, list[int | None](), list[float](), list[bool]()
        for file in one.files:
            found = self.caches.routes.find(file.url)
            known = self.caches.stores[found[0].name].stat(found[1]) if found else None
            cached += known.info.cached_bytes if known else 0
            sizes.append(known.info.size if known and file.size is None else file.size)
            if found:
                fractions.append(known.info.fraction if known else 0.0)
                pinned.append(found[0].origin_url(found[1]) in self.pins)
        size = None if None in sizes else sum(one or 0 for one in sizes)
        fraction = sum(fractions) / len(fractions) if fractions else None
        return DatasetState(
            name=one.name,
            title=one.title,
            tree=one.tree,
            files=len(one.files),
            size=size,
            cached=cached,
            fraction=cached / size if fractions and size else fraction,
            pinned=bool(pinned) and all(pinned),
        )

    # ---- doing

    def prefetch(self, targets: Targets, token: StorageToken) -> Job:
        """Fetch files into the caches, in the background."""
        items = {one.url: one for one in self.expand(targets, token, READ)}.values()
        return self.jobs.start(token.user, _title(targets), items)

    def pin(self, targets: Targets, token: StorageToken) -> Pinned:
        """Pin files, and fetch them.

        Raises
        ------
        Refused
            409: too much would be pinned.
        """
        items = [self._sized(one) for one in self.expand(targets, token, STAGE)]
        self._check_room(items)
        self.pins.add((one.url for one in items), token.user)
        job = self.jobs.start(token.user, _title(targets), items)
        return Pinned(files=len(items), bytes=sum(one.size or 0 for one in items), job=job)

    def _sized(self, item: Item) -> Item:
        if item.size is not None:
            return item
        route, path = self.caches.route_of(item.url)
        known = self.caches.stores[route.name].stat(path)
        size = known.info.size if known else self.caches.stat(route, path).size
        return Item(item.url, size)

    def _check_room(self, items: Iterable[Item]) -> None:
        wanted: dict[str, dict[str, int]] = {name: {} for name in self.caches.servers}
        for url in self.pins.urls():
            found = self.caches.routes.find(url)  # None: of an origin that is no more
            if found and (known := self.caches.stores[found[0].name].stat(found[1])):
                wanted[found[0].name][url] = known.info.size
        for one in items:
            wanted[self.caches.route_of(one.url)[0].name][one.url] = one.size or 0
        for name, sizes in wanted.items():
            most = int(self.caches.servers[name].size * PINNED_PART)
            if (total := sum(sizes.values())) > most:
                raise Refused(
                    409,
                    "no_room",
                    f"{total} bytes would be pinned in the cache of {name}, {most} may be",
                    hint="unpin others, or raise backends.cache.size",
                )

    def unpin(self, targets: Targets, token: StorageToken) -> Pinned:
        """Pin files no longer; they stay until a purge."""
        urls = [one.url for one in self.expand(targets, token, STAGE)]
        return Pinned(files=self.pins.remove(urls), bytes=0, job=None)

    def evict(self, targets: Targets, token: StorageToken, *, unused: float = 0) -> Evicted:
        """Remove files from disk, but for pinned ones.

        Parameters
        ----------
        unused
            Only those that nobody has used for so many seconds.
        """
        result = Evicted(files=0, bytes=0, kept=0)
        for route, one in self._meant(targets, token):
            last = one.info.last_access or one.info.created
            if unused and time.time() - last < unused:
                continue
            if route.origin_url(one.path) in self.pins:
                result.kept += 1
                continue
            result.bytes += self.caches.stores[route.name].evict(one.path)
            result.files += 1
        return result

    def _meant(self, targets: Targets, token: StorageToken) -> Iterator[tuple[Route, Cached]]:
        """Yield the cached files that are meant; origins need not be up for this."""
        urls = list(targets.urls)
        for name in targets.datasets:
            urls += [one.url for one in self.catalogue.get(name).files]
        for url in urls:
            route, path = self.caches.route_of(url)
            token.require(STAGE, path)
            for one in list(self.caches.stores[route.name].files(path.rstrip("/") or "/")):
                yield route, one

    def _broken(self, url: str) -> None:
        route, path = self.caches.route_of(url)
        logger.warning("%s: its copy is corrupt and was dropped", url)
        self.drop(route, path)

    def drop(self, route: Route, path: str) -> None:
        """Remove a copy that must not be served again, pinned or not."""
        self.pins.release(route.origin_url(path))
        self.caches.stores[route.name].evict(path)

    def suspect(self, url: str, token: StorageToken) -> bool:
        """Drop a cached copy if it really is corrupt; returns whether it was."""
        route, path = self.caches.route_of(url)
        token.require(READ, path)
        if self.caches.stores[route.name].stat(path) is None:
            return False
        if not self._checking.acquire(blocking=False):
            raise Refused(429, "busy", "another file is being checked", "try again in a moment")
        try:
            self.caches.read(url, lambda size: None, lambda: False, None, lambda size: None)
        except reading.ChecksumError:
            self._broken(url)
            return True
        finally:
            self._checking.release()
        return False


def _title(targets: Targets) -> str:
    names = [*targets.datasets, *targets.urls]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]}{more}" if names else "nothing"


def _level(folder: str, cached: Iterable[Cached]) -> tuple[list[Cached], dict[str, list[Cached]]]:
    """Return (files in a folder, files below it by the sub-folder that they are in)."""
    files, folders = [], dict[str, list[Cached]]()
    base = folder.rstrip("/") + "/"
    for one in cached:
        rest = one.path.removeprefix(base)
        if "/" in rest:
            folders.setdefault(base + rest.partition("/")[0], []).append(one)
        else:
            files.append(one)
    return files, folders


def _next_folder(path: str, prefix: str) -> str:
    """Return the folder in ``path`` that leads to ``prefix``; "" if none does."""
    base = path.rstrip("/") + "/"
    if not prefix.startswith(base):
        return ""
    return base + prefix.removeprefix(base).partition("/")[0]


def _folder(route: Route, path: str, found: list[Cached]) -> FolderState:
    return FolderState(
        url=route.origin_url(path) + "/",
        origin=route.name,
        path=path,
        files=len(found),
        cached=sum(one.info.cached_bytes for one in found),
    )
