"""Pinned files: a purge passes them over, because they are open.

XCache has no command for this, but never purges a file that somebody has open; so the service holds
each pinned one open, and opens it again when the cache or the service was restarted.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from casita.errors import CasitaError
from casita.files import read_json, write_json
from casita_cache import reading

logger = logging.getLogger("casita.cache")


class Pins:
    """What is pinned, by URL at the origin.

    Parameters
    ----------
    path
        The file that remembers it.
    cache_url
        Returns where the cache has a file.
    """

    def __init__(self, path: Path, cache_url: Callable[[str], str]) -> None:
        self._path = path
        self._cache_url = cache_url
        self._lock = threading.Lock()
        self._pinned: dict[str, dict[str, Any]] = read_json(path, {})
        self._held: dict[str, Any] = {}

    def __contains__(self, url: str) -> bool:
        return url in self._pinned

    def urls(self) -> list[str]:
        """Return the files that are pinned."""
        with self._lock:
            return list(self._pinned)

    def add(self, urls: Iterable[str], user: str) -> None:
        """Pin files."""
        with self._lock:
            now = time.time()
            self._pinned |= {one: {"user": user, "since": now} for one in urls}
            write_json(self._path, self._pinned)
        self.refresh()

    def remove(self, urls: Iterable[str]) -> int:
        """Pin files no longer; returns how many were."""
        with self._lock:
            gone = [one for one in urls if self._pinned.pop(one, None)]
            files = [self._held.pop(one) for one in gone if one in self._held]
            write_json(self._path, self._pinned)
        for file in files:
            file.close(timeout=reading.TIMEOUT)
        return len(gone)

    def refresh(self) -> None:
        """Open what is not open (any more); called now and then."""
        for url in self.urls():
            file = self._held.get(url)
            if file is not None and file.stat(force=True, timeout=10)[0].ok:
                continue
            try:
                self._held[url] = reading.hold(self._cache_url(url))
            except CasitaError as error:
                logger.warning("a pinned file can't be opened: %s", error.message)
                return  # the cache is down: the next time, perhaps

    def close(self) -> None:
        """Let all go, with the service."""
        for file in self._held.values():
            file.close(timeout=5)
        self._held.clear()
