"""The caches as seen from this program: whether they are up, and by which address to enter."""

from __future__ import annotations

import logging
import socket
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from casita_cache.login import token_tag
from casita_cache.routing import Route, Routes

logger = logging.getLogger("distributed.casita.cache")
PROBE_SECONDS = 2.0
"""For so long a cache that answered is taken to be up, without asking."""
DOWN_SECONDS = 20.0
"""For so long one that failed is left alone."""
CONNECT_SECONDS = 1.0


class CacheWarning(UserWarning):
    """Files come from their origin, because the cache is down."""


class Door:
    """One cache.

    Parameters
    ----------
    tag
        Returns a login name for the next connection; see :mod:`casita_cache.login`.
    """

    def __init__(self, route: Route, tag: Callable[[], str]) -> None:
        self._route = route
        self._tag = tag
        self._lock = threading.Lock()
        self._good_until = self._bad_until = 0.0
        self._warned = False

    @property
    def name(self) -> str:
        """The origin's."""
        return self._route.name

    def url(self, path: str) -> str:
        """Return where the cache has a file."""
        return self._route.url(path, self._tag())

    def root_url(self, path: str) -> str:
        """Return a URL of the file for who knows root:// only; it comes in by this door again."""
        return self._route.url(path)

    def origin_url(self, path: str) -> str:
        """Return where the origin has it."""
        return self._route.origin_url(path)

    def up(self) -> bool:
        """Whether to try the cache."""
        now = time.monotonic()
        if now < self._bad_until:
            return False
        if now < self._good_until:
            return True
        where = urlsplit(self._route.cache)
        try:
            # XRootD's client would try for seconds to reach what is not there.
            there = (where.hostname or "", where.port or 1094)
            socket.create_connection(there, timeout=CONNECT_SECONDS).close()
        except OSError as error:
            self.broke(str(error))
            return False
        with self._lock:
            self._good_until, self._warned = time.monotonic() + PROBE_SECONDS, False
        return True

    def broke(self, reason: str) -> None:
        """Leave the cache alone for a while, and say so once."""
        with self._lock:
            self._good_until, self._bad_until = 0.0, time.monotonic() + DOWN_SECONDS
            say, self._warned = not self._warned, True
        if say:
            _warn(
                f"the cache of {self._route.addresses[0]} does not serve ({reason.strip()}): "
                "files come from there directly, and slower"
            )

    def gave_up(self, path: str, reason: str, *, corrupt: bool) -> None:
        """Say that one file comes from its origin, and have its cached copy checked."""
        url = self.origin_url(path)
        _warn(f"the cache could not give {url} ({reason}): it comes from its origin")
        if corrupt:
            # Said in so many words, since XRootD's threads are daemons: a short program waits for
            # the report before it ends.
            threading.Thread(target=_report, args=[url], daemon=False).start()


def _warn(sentence: str) -> None:
    logger.warning(sentence)
    with suppress(CacheWarning):  # where warnings are errors: not in XRootD's threads
        warnings.warn(CacheWarning(sentence), stacklevel=3)


def _report(url: str) -> None:
    """Tell the service of a corrupt copy, which it drops then."""
    from casita.client import connection
    from casita.errors import CasitaError
    from casita_cache.client import Cache

    try:
        with connection().http() as http:
            Cache(http).suspect(url)
    except CasitaError as error:
        logger.info("the corrupt copy of %s was not reported: %s", url, error)


class Doors:
    """All caches of the facility."""

    def __init__(self, routes: Routes) -> None:
        self.routes = routes
        self.on = True
        self._doors = {one.name: Door(one, token_tag) for one in routes.all}

    def find(self, url: object) -> tuple[Door, str] | None:
        """Return (door, path) of a file that a cache may hold, or None."""
        if not self.on or not isinstance(url, str):
            return None
        found = self.routes.find(url)
        return (self._doors[found[0].name], found[1]) if found else None
