"""Prefetches: files that are read through a cache so that they are there, a few at a time."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from casita.errors import CasitaError, MissingError
from casita.files import read_json, write_json
from casita_cache import reading
from casita_cache.models import Failure, Job

logger = logging.getLogger("casita.cache")
FAILURES = 20
KEPT = 50
"""Ended jobs that are remembered."""
RATE_SECONDS = 5.0
"""The rate is that of the last so many seconds."""


Advance = Callable[[int], None]
Stopped = Callable[[], bool]
Fetch = Callable[[str, Advance, Stopped, int | None, Advance], None]


@dataclass(frozen=True)
class Item:
    """One file to fetch."""

    url: str
    """At its origin, for people."""
    size: int | None
    """Bytes, if known."""


@dataclass
class _Work:
    id: str
    user: str
    title: str
    items: list[Item]
    started: float
    stopped: bool = False
    ended: float | None = None
    done: int = 0
    bytes_done: int = 0
    failures: list[Failure] = field(default_factory=list)
    failed: int = 0
    recent: deque[tuple[float, int]] = field(default_factory=deque)
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes, by URL, of the files whose size is known."""

    def __post_init__(self) -> None:
        self.sizes |= {one.url: one.size for one in self.items if one.size is not None}

    def fraction(self) -> float:
        """Return how far it is, 0 to 1, with files of unknown size as large as the others."""
        if self.done == len(self.items):
            return 1.0
        by_files = self.done / len(self.items)
        known = sum(self.sizes.values())
        if not known:
            return by_files
        whole = known / len(self.sizes) * len({one.url for one in self.items})
        return min(1.0, max(by_files, self.bytes_done / whole))

    def model(self) -> Job:
        now = time.time()
        while self.recent and self.recent[0][0] < now - RATE_SECONDS:
            self.recent.popleft()
        state: Any = "running"
        if self.ended is not None:
            state = "cancelled" if self.stopped else "failed" if self.failed else "done"
        span = max(0.5, min(RATE_SECONDS, (self.ended or now) - self.started))
        return Job(
            id=self.id,
            user=self.user,
            title=self.title,
            state=state,
            files=len(self.items),
            files_done=self.done,
            bytes=max(self.bytes_done, sum(self.sizes.values())),
            bytes_done=self.bytes_done,
            fraction=self.fraction(),
            rate=sum(size for _, size in self.recent) / span,
            started=self.started,
            ended=self.ended,
            failures=self.failures,
        )


class Jobs:
    """All prefetches of the service; those that run when it ends go on at its next start.

    Parameters
    ----------
    path
        The file that remembers them.
    fetch
        Reads a file through its cache, like :func:`casita_cache.reading.fetch`, by its URL at the
        origin.
    parallel
        Files fetched at the same time, over all jobs.
    broken
        Told of a file whose cached copy is corrupt; it is fetched once more then.
    """

    def __init__(
        self,
        path: Path,
        fetch: Fetch,
        parallel: int,
        broken: Callable[[str], None],
    ) -> None:
        self._path = path
        self._read = fetch
        self._broken = broken
        self._lock = threading.Lock()
        self._closing = False
        self._works: dict[str, _Work] = {}
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix="prefetch")

    def resume(self) -> None:
        """Go on with what an earlier run left."""
        works = [
            _Work(
                one["id"],
                one["user"],
                one["title"],
                [Item(**item) for item in one["items"]],
                one["started"],
            )
            for one in read_json(self._path, [])
        ]
        with self._lock:  # all, before the first that ends writes what is left
            self._works |= {one.id: one for one in works}
        for one in works:
            self._begin(one)

    def start(self, user: str, title: str, items: Iterable[Item]) -> Job:
        """Fetch files; returns at once."""
        work = _Work(secrets.token_hex(6), user, title, list(items), time.time())
        self._begin(work)
        self._save()
        return self.get(work.id)

    def all(self) -> list[Job]:
        """Return the jobs that run and the last that ended, newest first."""
        with self._lock:
            return [one.model() for one in reversed(self._works.values())]

    def get(self, identifier: str) -> Job:
        """Return one job.

        Raises
        ------
        MissingError
            There is none.
        """
        with self._lock:
            work = self._works.get(identifier)
            if work is None:
                raise MissingError(f"there is no prefetch {identifier[:40]!r}")
            return work.model()

    def cancel(self, identifier: str) -> None:
        """Stop a job; what it has fetched stays."""
        with self._lock:
            if (work := self._works.get(identifier)) and work.ended is None:
                work.stopped, work.ended = True, time.time()
        self._save()

    def close(self) -> None:
        """End with the service; what runs is gone on with later."""
        with self._lock:
            self._closing = True  # what is remembered stays
            for one in self._works.values():
                one.stopped = True
        self._pool.shutdown(cancel_futures=True)

    def _begin(self, work: _Work) -> None:
        with self._lock:
            self._works[work.id] = work
            ended = [key for key, one in self._works.items() if one.ended is not None]
            for key in ended[:-KEPT]:
                del self._works[key]
        for item in work.items:
            self._pool.submit(self._fetch, work, item)
        if not work.items:
            work.ended = time.time()

    def _fetch(self, work: _Work, item: Item) -> None:
        if work.stopped:
            self._finish(work, None)
            return

        def advance(size: int) -> None:
            with self._lock:
                work.bytes_done += size
                work.recent.append((time.time(), size))

        def sized(size: int) -> None:
            with self._lock:
                work.sizes[item.url] = size

        failure = None
        try:
            try:
                self._read(item.url, advance, lambda: work.stopped, item.size, sized)
            except reading.ChecksumError:
                self._broken(item.url)
                self._read(item.url, lambda size: None, lambda: work.stopped, item.size, sized)
        except CasitaError as error:
            failure = Failure(url=item.url, message=error.message)
        except Exception:
            logger.exception("a prefetch failed")
            failure = Failure(url=item.url, message="the service made a mistake")
        self._finish(work, failure)

    def _finish(self, work: _Work, failure: Failure | None) -> None:
        with self._lock:
            work.done += 1
            if failure:
                work.failed += 1
                work.failures = [*work.failures, failure][:FAILURES]
            over = work.done == len(work.items)
            if over and work.ended is None:
                work.ended = time.time()
        if over:
            self._save()

    def _save(self) -> None:
        with self._lock:
            if self._closing:
                return
            left = [
                {
                    "id": one.id,
                    "user": one.user,
                    "title": one.title,
                    "started": one.started,
                    "items": [vars(item) for item in one.items],
                }
                for one in self._works.values()
                if one.ended is None and not one.stopped
            ]
            write_json(self._path, left)
