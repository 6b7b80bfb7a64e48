"""Gets the files of requests read: one thread for each worker that may be busy.

As many others take in what was made, so that a worker is at the next file meanwhile.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from casita.errors import CasitaError, ServiceError
from casita_columns.records.database import AWAY
from casita_columns.records.outcomes import Outcome, QuotaError
from casita_columns.records.requests import Records
from casita_columns.records.tables import Request, Result
from casita_columns.service.access import rights_for
from casita_columns.service.bell import Bell
from casita_columns.settings import ColumnsSettings
from casita_columns.store import volume
from casita_columns.store.objects import Objects, Spool
from casita_columns.wire import object_name
from casita_columns.workers.child import text_file
from casita_columns.workers.pool import Pool, TaskError, Worker

logger = logging.getLogger("casita.columns")
LOOK_SECONDS = 2.0
STOP_SECONDS = 10.0
LINES_MAX = 12
MAGIC = {"parquet": b"PAR1", "root-file": b"root", "root-rntuple": b"root"}
"""First bytes of each format."""
LOCAL = "local"


@dataclass(frozen=True)
class Made:
    """What a worker made of a file."""

    request: Request
    result: Result
    spool: Spool
    done: dict[str, Any]
    """What the worker says of it."""


class Work:
    """Reads what waits to be read on this machine.

    Parameters
    ----------
    pool
        The workers.
    """

    def __init__(
        self, settings: ColumnsSettings, records: Records, objects: Objects, pool: Pool, bell: Bell
    ) -> None:
        self._settings = settings
        self._records = records
        self._objects = objects
        self._pool = pool
        self._bell = bell
        self._news = threading.Condition()
        self._in_flight: Counter[str] = Counter()
        self._mine: set[int] = set()
        """Files that are being seen to."""
        self._at: dict[int, tuple[str, Worker]] = {}
        """Request and worker of each file that is being read."""
        self._stopping = False
        self._made: queue.Queue[Made | None] = queue.Queue(pool.size)
        self._readers = [_thread(self._read_all, number) for number in range(pool.size)]
        self._takers = [_thread(self._take_all_in, number) for number in range(pool.size)]

    def start(self) -> None:
        """Begin."""
        for one in (*self._readers, *self._takers):
            one.start()

    def stop(self) -> None:
        """End; what is being read is read again after the next start."""
        with self._news:
            self._stopping = True
            self._news.notify_all()
        self._pool.close()
        for one in self._readers:
            one.join(timeout=STOP_SECONDS)
        with contextlib.suppress(queue.Full):
            for _ in self._takers:
                self._made.put(None, timeout=STOP_SECONDS)
        for one in self._takers:
            one.join(timeout=STOP_SECONDS)

    def nudge(self) -> None:
        """Look at once for what there is to do."""
        with self._news:
            self._news.notify_all()

    def cancel(self, request: str) -> None:
        """End the workers that are at a request."""
        with self._news:
            at = [worker for name, worker in self._at.values() if name == request]
        for one in at:
            one.stop()

    def _read_all(self) -> None:
        while not self._stopping:
            try:
                taken = self._take()
                if taken is not None:
                    self._read(*taken)
            except Exception:
                logger.exception("a file was not seen to")
                time.sleep(LOOK_SECONDS)

    def _take_all_in(self) -> None:
        while (made := self._made.get()) is not None:
            try:
                with self._answered_for(made.request, made.result):
                    self.deliver(made.request, made.result, made.spool, made.done)
            except Exception:
                logger.exception("of a file nothing could be noted; it is read again")
            finally:
                self._end(made.request, made.result)

    def _take(self) -> tuple[Request, Result] | None:
        with self._news:
            if self._stopping:
                return None
            result = self._records.next_waiting(LOCAL, dict(self._in_flight), 0)
            if result is None:
                self._news.wait(LOOK_SECONDS)
                return None
            request = self._records.known(result.request_id)
            if request is None:
                return None
            self._in_flight[request.owner] += 1
            self._mine.add(result.id)
            return request, result

    def tend(self) -> None:
        """Have files read again of which nothing could be noted, as the database was away."""
        with self._news:
            if self._records.give_back_forgotten(LOCAL, self._mine):
                self._news.notify_all()

    def _read(self, request: Request, result: Result) -> None:
        """Have one file read; what it gives is taken in by another thread."""
        made = None
        try:
            with self._answered_for(request, result):
                spool = self._objects.spool()
                try:
                    made = Made(request, result, spool, self._ask(request, result, spool))
                except CasitaError as error:
                    self._objects.discard(spool)
                    self.failed(request, result, error)
        finally:
            if made is None:
                self._end(request, result)
        if made is not None:
            self._made.put(made)

    @contextmanager
    def _answered_for(self, request: Request, result: Result) -> Iterator[None]:
        """Have something come of a file, whatever happens."""
        try:
            yield
        except AWAY:
            logger.exception("the database does not answer; the file is read again")
        except Exception:
            logger.exception("a file was not seen to")
            self._records.fail(result.id, "the service made a mistake; its log says which")

    def _end(self, request: Request, result: Result) -> None:
        with self._news:
            self._in_flight[request.owner] -= 1
            self._mine.discard(result.id)
        self._bell.ring(request.owner)

    def _ask(self, request: Request, result: Result, spool: Spool) -> dict[str, Any]:
        task = {
            "do": "run",
            "codegen": request.codegen,
            "key": request.query,
            "format": request.form,
            "replicas": result.paths.split("\n"),
        }
        with (
            self._pool.worker(rights_for(request), request.query) as worker,
            text_file(request.selection) as selection,
        ):
            with self._news:
                self._at[result.id] = (request.id, worker)
            try:
                # Who cancels it from now on finds the worker; who did so before could not.
                if self._records.taken(result.id) is None:
                    raise TaskError("worker", "the request was cancelled")
                answer = worker.ask(task, [selection, spool.fd])
            finally:
                with self._news:
                    del self._at[result.id]
        done: dict[str, Any] = answer["done"]
        return done

    def deliver(self, request: Request, result: Result, spool: Spool, done: dict[str, Any]) -> bool:
        """Put a file into the store and note it; returns whether it was wanted.

        What its maker says of it is believed only as far as it can be checked: it is a file of
        the right kind, and as long as it is.
        """
        path = result.paths.partition("\n")[0]
        name = object_name(result.number, path, request.form)
        # Of two that bring the same file, the later must not take the object of the first.
        key = f"{request.id}/{result.attempts}-{secrets.token_hex(4)}-{name}"
        try:
            spool = self._objects.sealed(spool)
            _refuse(request, spool)
            if self._records.taken(result.id) is None:
                self._objects.discard(spool)
                return False
            self._allow(request, spool)
            self._records.promise(key)
            size = self._objects.commit(spool, key)
            self._publish(request, key, name)
        except CasitaError as error:
            self._objects.discard(spool)
            self.failed(request, result, error)
            return False
        if not self._noted(request, result, _outcome(name, key, size, done)):
            self._objects.delete(key)
            return False
        self._bell.ring(request.owner)
        return True

    def _noted(self, request: Request, result: Result, outcome: Outcome) -> bool:
        """Note what is stored, if it is wanted, and others have not filled the quota meanwhile."""
        quota = self._settings.quota
        try:
            return self._records.succeed(result.id, outcome, quota)
        except QuotaError:
            self.failed(request, result, TaskError("output", over_quota(quota)))
            return False

    def _publish(self, request: Request, key: str, name: str) -> None:
        """Put a result into the volume, too, if it is to be there."""
        if request.destination == "volume":
            try:
                volume.place(self._settings, request, self._objects, key, name)
            except CasitaError:
                self._objects.delete(key)
                raise

    def _allow(self, request: Request, spool: Spool) -> None:
        used, quota = self._records.usage(request.owner), self._settings.quota
        if used + os.fstat(spool.fd).st_size > quota:
            raise TaskError("output", over_quota(quota))

    def failed(self, request: Request, result: Result, error: CasitaError) -> None:
        """Have a file tried again, or give it up."""
        # A store elsewhere may be back soon.
        passing = error.retry if isinstance(error, TaskError) else isinstance(error, ServiceError)
        if self._stopping:
            self._records.give_back(result.id)
        elif passing and result.attempts <= self._settings.retries:
            self._records.give_back(result.id, error.message)
        else:
            self._records.fail(result.id, _told(error))
        self._bell.ring(request.owner)


def _thread(run: Callable[[], None], number: int) -> threading.Thread:
    return threading.Thread(target=run, name=f"casita{run.__name__}-{number}", daemon=True)


def over_quota(quota: int) -> str:
    """Return what to tell who may have no more results."""
    return (
        f"your results would take more than the {quota} bytes that you may have: remove some, "
        "e.g. by `casita columns rm`"
    )


def _told(error: CasitaError) -> str:
    """Return the sentence for people, and what was said besides, as lines."""
    lines = error.lines if isinstance(error, TaskError) else []
    if len(lines) > 2 * LINES_MAX:
        lines = [*lines[:LINES_MAX], "...", *lines[-LINES_MAX:]]
    return "\n".join([error.message, *lines])


def _outcome(name: str, key: str, size: int, done: dict[str, Any]) -> Outcome:
    return Outcome(
        name=name,
        key=key,
        size=size,
        events=_count(done, "events"),
        events_in=_count(done, "events_in"),
        bytes_in=_count(done, "bytes_in"),
        seconds=_seconds(done),
    )


def _count(done: dict[str, Any], name: str) -> int:
    """Return a number that may come from anybody's code."""
    value = done.get(name)
    return value if isinstance(value, int) and 0 <= value < 2**62 else 0


def _seconds(done: dict[str, Any]) -> float:
    value = done.get("seconds")
    return float(value) if isinstance(value, int | float) and 0 <= value < 1e9 else 0.0


def _refuse(request: Request, spool: Spool) -> None:
    """Refuse a result that is no file of its format.

    Raises
    ------
    TaskError
        It is none.
    """
    magic = MAGIC[request.form]
    if os.pread(spool.fd, len(magic), 0) != magic:
        raise TaskError("output", f"what was made is no file of the format {request.form}")
