"""A user's own workers, lent to column delivery: of a Dask cluster, or any process of theirs.

Where the facility's ``backends.columns.executor`` is ``cluster``, files of a user's requests wait
until workers of that user take them::

    cluster = casita_clusters.new_cluster(workers=4)
    casita_columns.lend(cluster.get_client())

Code runs as the user, in the same sandbox as at the facility.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from casita.bearer import read
from casita.client import connection, session
from casita.errors import CasitaError, LoginError, ServiceError
from casita.storage import storage_token
from casita_columns.workers.child import ChildError, text_file
from casita_columns.workers.inputs import InputError
from casita_columns.workers.sandbox import Limits, interpreter, sandbox
from casita_columns.workers.worker import Worker

logger = logging.getLogger("distributed.casita.columns")
PREFIX = "/services/columns/loans"
PAUSE_SECONDS = 1.0
READ_SECONDS = 120.0
TRIES = 5


class Loan:
    """Takes files and reads them, one after the other, until it is stopped.

    Parameters
    ----------
    url
        The facility's.
    ca
        PEM file of a certificate authority of its own, or "".
    """

    def __init__(self, url: str, ca: str = "") -> None:
        self._url = url
        self._ca = ca
        self._ended = threading.Event()
        self._worker: Worker | None = None

    def start(self) -> threading.Thread:
        """Run in a thread."""
        thread = threading.Thread(target=self.run, name="casita-columns-loan", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Take no more, and leave what is being read."""
        self._ended.set()
        if self._worker:
            self._worker.end_children()

    def run(self) -> None:
        """Run until :meth:`stop`; a facility that does not answer is waited for."""
        while not self._ended.is_set():
            try:
                with session(self._url, ca=self._ca) as http:
                    while self._once(http):
                        pass
            except (CasitaError, httpx.HTTPError):
                pass
            except Exception:
                logger.exception("a file was not read")
            self._ended.wait(PAUSE_SECONDS)
        if self._worker:
            self._worker.end_children()

    def _once(self, http: httpx.Client) -> bool:
        """Read one file; returns whether there was one."""
        if self._ended.is_set():
            return False
        answer = http.post(PREFIX, headers=_authorization())
        if answer.status_code != 200:
            return False
        self._read(http, answer.json())
        return True

    def _read(self, http: httpx.Client, task: dict[str, Any]) -> None:
        where, attempt = f"{PREFIX}/{task['id']}", {"attempt": task["attempt"]}
        with tempfile.TemporaryFile() as output:
            try:
                with self._kept(http, f"{where}/keep", attempt, task["lease"]):
                    done = self._done(task, output.fileno())
            except (ChildError, InputError) as error:
                told = _told(error)
                _sent(
                    lambda: http.post(
                        f"{where}/failed", params=attempt, json=told, headers=_authorization()
                    )
                )
                return
            counts = {
                name: done.get(name, 0) for name in ("events", "events_in", "bytes_in", "seconds")
            }

            def bring() -> httpx.Response:
                output.seek(0)
                return http.put(
                    where, params=attempt | counts, content=_parts(output), headers=_authorization()
                )

            _sent(bring)

    def _done(self, task: dict[str, Any], output: int) -> dict[str, Any]:
        if self._worker is None:
            limits = Limits(task["memory"], task["cpu"], task["output"], task["seconds"])
            python = interpreter(None, Path(sys.prefix))
            self._worker = Worker(sandbox(python, task["sandbox"]), limits, READ_SECONDS)
        with text_file(task["selection"]) as selection:
            answer = self._worker.run(task, [selection, output], lambda _: None)
        done: dict[str, Any] = answer["done"]
        return done

    @contextmanager
    def _kept(
        self, http: httpx.Client, url: str, attempt: dict[str, Any], lease: float
    ) -> Iterator[None]:
        """Keep a file; if it is not wanted any more, give it up."""
        over = threading.Event()

        def keep() -> None:
            while not over.wait(lease / 3):
                try:
                    answer = http.post(url, params=attempt, headers=_authorization())
                except httpx.HTTPError:
                    continue
                gone = answer.status_code == 404
                if (gone or (answer.is_success and not answer.json()["kept"])) and self._worker:
                    self._worker.end_children()
                    return

        thread = threading.Thread(target=keep, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _authorization() -> dict[str, str]:
    """Return the token that the worker's program keeps, or one for the login that is there."""
    token = read(Path(os.environ.get("BEARER_TOKEN_FILE", "")))
    if not token:
        with connection().http() as http:
            token = storage_token(http, "columns").token
    if not token:
        raise LoginError("there is no storage token", hint="`casita login URL`")
    return {"Authorization": f"Bearer {token}"}


def _told(error: ChildError | InputError) -> dict[str, Any]:
    if isinstance(error, InputError):
        return {"kind": "input", "message": error.message[:4000], "retry": error.passing}
    return {
        "kind": error.kind,
        "message": error.message[:4000],
        "lines": error.lines[:40],
        "retry": error.retry,
    }


def _parts(output: Any) -> Iterator[bytes]:
    while part := output.read(2**20):
        yield part


def _sent(send: Any) -> None:
    """Send an answer; a facility that restarts meanwhile is waited for."""
    for attempt in range(TRIES):
        try:
            answer = send()
        except (httpx.HTTPError, ServiceError):
            answer = None
        if answer is not None and answer.status_code < 500:
            return
        time.sleep(PAUSE_SECONDS * 2**attempt)
