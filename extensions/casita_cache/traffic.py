"""What this program has read, through the cache and past it, file by file."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field


@dataclass
class FileTraffic:
    """Reads of one file.  Bytes, seconds."""

    origin: str
    path: str
    opens: int = 0
    cached: int = 0
    """Bytes that came through the cache."""
    direct: int = 0
    """Bytes that came from the origin itself, because the cache was down."""
    waited: float = 0.0
    """Sum over reads of the time until the answer; parallel ones count each."""


@dataclass(frozen=True)
class Traffic:
    """What was read since a moment."""

    since: float
    """Unix time."""
    files: tuple[FileTraffic, ...] = field(default=())

    @property
    def cached(self) -> int:
        """Bytes that came through caches."""
        return sum(one.cached for one in self.files)

    @property
    def direct(self) -> int:
        """Bytes that came past them."""
        return sum(one.direct for one in self.files)


class Ledger:
    """Counts reads; used from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        with self._lock:
            self._since = time.time()
            self._files: dict[tuple[str, str], FileTraffic] = {}

    def opened(self, origin: str, path: str) -> None:
        """Count that a file was opened."""
        with self._lock:
            self._file(origin, path).opens += 1

    def read(self, origin: str, path: str, size: int, waited: float, *, direct: bool) -> None:
        """Count one read.

        Parameters
        ----------
        size
            Bytes.
        waited
            Seconds.
        """
        with self._lock:
            one = self._file(origin, path)
            one.waited += waited
            if direct:
                one.direct += size
            else:
                one.cached += size

    def traffic(self) -> Traffic:
        """Return what was counted so far."""
        with self._lock:
            files = tuple(FileTraffic(**vars(one)) for one in self._files.values())
            return Traffic(self._since, files)

    def _file(self, origin: str, path: str) -> FileTraffic:
        return self._files.setdefault((origin, path), FileTraffic(origin, path))


LEDGER = Ledger()
"""Of this program."""
