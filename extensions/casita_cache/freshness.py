"""Drops cached copies of files that were replaced at their origin.

XCache takes files to be written once, as the field does: it never asks an origin again about what
it has. So the service compares files in use with their origin, now and then.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

from casita.errors import CasitaError, MissingError
from casita_cache import reading
from casita_cache.cinfo import Cinfo
from casita_cache.desk import Desk

logger = logging.getLogger("casita.cache")
SKEW = 5.0
"""Seconds that clocks may differ."""


def is_stale(info: Cinfo, size: int, modified: float) -> bool:
    """Whether a cached copy is not of the file that its origin has now.

    Parameters
    ----------
    size
        At the origin, bytes.
    modified
        There, Unix time.
    """
    return info.size != size or modified > info.created + SKEW


class Freshness:
    """Remembers when each file was compared."""

    def __init__(self, desk: Desk, seconds: float) -> None:
        self._desk = desk
        self._seconds = seconds
        self._compared: dict[tuple[str, str], float] = {}

    def look(self, used: Iterable[tuple[str, str]]) -> list[str]:
        """Compare files that are due; returns the URLs of those that were dropped.

        Parameters
        ----------
        used
            (origin, path) of files in use.
        """
        dropped = []
        now = time.monotonic()
        for key in used:
            if now - self._compared.get(key, float("-inf")) < self._seconds:
                continue
            self._compared[key] = now
            if url := self._compare(*key):
                dropped.append(url)
        return dropped

    def _compare(self, name: str, path: str) -> str:
        route = self._desk.caches.routes.named(name)
        store = self._desk.caches.stores.get(name)
        known = store.stat(path) if store else None
        if route is None or store is None or known is None:
            return ""
        try:
            about = reading.stat(route.addresses[0], path)
            stale = is_stale(known.info, about.size, about.modtime)
        except MissingError:
            stale = True
        except CasitaError:
            return ""  # it is down, or lets the cache in only
        if not stale:
            return ""
        logger.warning("%s was replaced at its origin: the copy was dropped", path)
        self._desk.drop(route, path)
        return route.origin_url(path)
