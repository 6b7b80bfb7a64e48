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
from urllib.parse import urlsplit

from casita.errors import CasitaError, LoginError, MissingError
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
        self._refreshing = threading.Lock()
        self._pinned: dict[str, dict[str, Any]] = read_json(path, {})
        self._held: dict[str, Any] = {}

    def __contains__(self, url: str) -> bool:
        return url in self._pinned

    def urls(self) -> list[str]:
        """Return the files that are pinned."""
        with self._lock:
            return list(self._pinned)

    def add(self, urls: Iterable[str], user: str) -> None:
        """Pin files; they are opened at the next :meth:`refresh`."""
        with self._lock:
            now = time.time()
            self._pinned |= {one: {"user": user, "since": now} for one in urls}
            write_json(self._path, self._pinned)

    def remove(self, urls: Iterable[str]) -> int:
        """Pin files no longer; returns how many were."""
        with self._lock:
            gone = [one for one in urls if self._pinned.pop(one, None)]
            files = [self._held.pop(one) for one in gone if one in self._held]
            write_json(self._path, self._pinned)
        for file in files:
            file.close(timeout=reading.TIMEOUT)
        return len(gone)

    def release(self, url: str) -> None:
        """Close a file whose copy is to go: the cache would go on with what it holds open."""
        file = self._held.pop(url, None)
        if file is not None:
            file.close(timeout=reading.TIMEOUT)

    def refresh(self) -> None:
        """Open what is not open (any more); called now and then.

        A file that is gone, or whose cache is down, keeps no other from being opened.
        """
        with self._refreshing:
            down = set[str]()
            for url in self.urls():
                file = self._held.get(url)
                if file is not None and file.stat(force=True, timeout=10)[0].ok:
                    continue
                self._open(url, down)

    def _open(self, url: str, down: set[str]) -> None:
        try:
            there = self._cache_url(url)
            server = urlsplit(there).netloc
            if server in down:
                return
            file = reading.hold(there)
        except (MissingError, LoginError) as error:
            logger.warning("a pinned file can't be opened: %s", error.message)
            return
        except CasitaError as error:
            logger.warning("a pinned file can't be opened: %s", error.message)
            down.add(server)
            return
        with self._lock:
            if url in self._pinned:
                self._held[url] = file
                return
        file.close(timeout=reading.TIMEOUT)  # it was unpinned meanwhile

    def close(self) -> None:
        """Let all go, with the service."""
        for file in self._held.values():
            file.close(timeout=5)
        self._held.clear()
