"""The caches of one facility: read as anybody reads them, and looked at on their disks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from casita.auth.scopes import normalised
from casita.errors import DeniedError, MissingError, ServiceError
from casita.serving import Refused
from casita_cache import reading
from casita_cache.jobs import Advance, Stopped
from casita_cache.login import token_tag
from casita_cache.routing import Route, Routes
from casita_cache.servers import Server
from casita_cache.store import Store

Answer = TypeVar("Answer")
WRITTEN_SECONDS = 10.0
"""What a cache has given it writes to its disk within this."""
CLOSED_SECONDS = 60.0
"""A server closes a file within this; XrdPosix sometimes takes half of it (its ddInterval)."""
LOOK_SECONDS, OPEN_SECONDS = 0.02, 1.0


class Caches:
    """The caches, by the names of their origins.

    Parameters
    ----------
    servers
        Those that are caches.
    routes
        From URLs at origins to them.
    renew
        Gets a new token for the service to read with; returns whether there is one.
    """

    def __init__(
        self, servers: Iterable[Server], routes: Routes, renew: Callable[[], bool]
    ) -> None:
        self.routes = routes
        self.servers = {one.name.removeprefix("cache-"): one for one in servers}
        self.stores = {name: Store(one.directory) for name, one in self.servers.items()}
        self._renew = renew

    def route_of(self, url: str) -> tuple[Route, str]:
        """Return (route, normalised path) of a file at an origin.

        Raises
        ------
        MissingError
            No cache is for it.
        """
        found = self.routes.find(url)
        if found is None:
            there = ", ".join(one.addresses[0] for one in self.routes.all)
            raise MissingError(
                f"{url[:200]}: no cache of this facility is for that server",
                hint=f"there are caches for {there}",
            )
        route, path = found
        folder = "/" if path.endswith("/") and path != "/" else ""
        try:
            return route, normalised(path) + folder
        except ValueError as error:
            raise Refused(422, "invalid", str(error)) from None

    def url_of(self, url: str) -> str:
        """Return where the cache has a file of an origin."""
        route, path = self.route_of(url)
        return route.url(path, token_tag())

    def expand(self, route: Route, path: str) -> list[tuple[str, int]]:
        """Return (path, size in bytes) of the files that a folder or pattern stands for."""
        return self._asked(lambda: list(reading.expand(route.server(token_tag()), path)))

    def listing(self, route: Route, path: str) -> list[tuple[str, int, bool]]:
        """Return (path, size in bytes, whether it is a folder) of a folder's content."""
        return self._asked(lambda: reading.listing(route.server(token_tag()), path))

    def stat(self, route: Route, path: str) -> Any:
        """Return what the origin says of a file, by its cache."""
        return self._asked(lambda: reading.stat(route.server(token_tag()), path))

    def read(
        self, url: str, advance: Advance, stopped: Stopped, size: int | None, sized: Advance
    ) -> None:
        """Read a whole file through its cache, like :func:`casita_cache.reading.fetch`."""
        self._asked(lambda: reading.fetch(self.url_of(url), advance, stopped, size, sized))

    def fetch(
        self, url: str, advance: Advance, stopped: Stopped, size: int | None, sized: Advance
    ) -> None:
        """Read a whole file, and see that it is on the disk of its cache then.

        A file evicted while its server had it open is given from memory and not written: it is read
        again when the server has closed it.

        Raises
        ------
        CasitaError
            It can't be read, or the cache does not keep it.
        """
        self.read(url, advance, stopped, size, sized)
        if self._is_kept(url, stopped):
            return
        self._await_closed(url, stopped)
        self.read(url, lambda size: None, stopped, size, sized)
        if not self._is_kept(url, stopped):
            raise _not_kept(url)

    def _is_kept(self, url: str, stopped: Stopped) -> bool:
        """Wait until a file that was just read is on disk, whole; returns whether it is.

        Of one that was not read to its end, as it was stopped, nothing more is asked.
        """
        route, path = self.route_of(url)
        deadline = time.monotonic() + WRITTEN_SECONDS
        while not stopped():
            found = self.stores[route.name].stat(path)
            if found is None or time.monotonic() > deadline:
                return False
            if found.info.fraction == 1:
                return True
            time.sleep(LOOK_SECONDS)
        return True

    def _await_closed(self, url: str, stopped: Stopped) -> None:
        """Wait until a server has forgotten a file: opening it makes a new map of it then."""
        route, path = self.route_of(url)
        deadline = time.monotonic() + CLOSED_SECONDS
        while not stopped():
            self._asked(lambda: reading.hold(self.url_of(url))).close(timeout=reading.TIMEOUT)
            if self.stores[route.name].stat(path):
                return
            if time.monotonic() > deadline:
                raise _not_kept(url)
            time.sleep(OPEN_SECONDS)

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        """Ask a cache, and once more with a new token if it refuses the one that there is.

        That happens when the service has just started, and when the keys were replaced.
        """
        try:
            return ask()
        except DeniedError:
            if not self._renew():
                raise
            return ask()


def _not_kept(url: str) -> ServiceError:
    return ServiceError(
        f"{url} was read, but its cache did not keep it",
        hint="is its disk full? `casita cache status`",
    )
