"""The service's workers: a process each, for one user at a time, with one set of rights."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from casita.accounts import account
from casita.errors import CasitaError
from casita_columns.workers.child import MESSAGE_BYTES, readable
from casita_columns.workers.sandbox import Limits, Sandbox

logger = logging.getLogger("casita.columns")
VARIABLE = "CASITA_COLUMNS_WORKER"
INHERITED = ("PATH", "LANG", "CASITA_INSTANCE")
READ_SECONDS = 120.0
"""That the answer of a server may take."""
GRACE_SECONDS = 30.0
"""A worker that is so much later than it should be is ended."""
IDLE_SECONDS = 300.0
TOKEN_SECONDS = 120.0
"""A worker's token is renewed after this."""
STOP_SECONDS = 5.0
Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Rights:
    """Whose rights files are read with, and which of them."""

    user: str
    reads: str = ""
    """Scopes of storage tokens, separated by spaces: of guarded data no more is read."""


TokenOf = Callable[[Rights], str]


class TaskError(CasitaError):
    """A task failed.

    Parameters
    ----------
    kind
        ``selection``: the query is wrong; ``input``: the file can't be read; ``data``, ``code``,
        ``output``, ``limit``: the user's code failed or was ended; ``worker``: we did.
    """

    def __init__(
        self, kind: str, message: str, lines: Sequence[str] = (), *, retry: bool = False
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.lines = list(lines)
        self.retry = retry


@dataclass(frozen=True)
class Crew:
    """What all workers have in common."""

    sandbox: Sandbox
    limits: Limits
    environment: Mapping[str, str]
    """Of users' programs, so that they read as those do."""
    python: str
    accounts: bool
    """Whether a worker runs under its user's account (multiuser profile)."""
    token_of: TokenOf
    """Returns a storage token with which files are read, or "" where none is needed."""


@dataclass
class Worker:
    """One process."""

    crew: Crew
    rights: Rights
    key: object = None
    """The selection that its child holds."""
    used: float = field(default_factory=time.monotonic)
    _token_at: float = float("-inf")
    """When it got its token."""
    _process: subprocess.Popen[bytes] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Start it.

        Raises
        ------
        CasitaError
            The user has no account here.
        """
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [self.crew.python, "-m", "casita_columns.workers.worker"]
        token = self._token()
        with theirs:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=self._environment(theirs.fileno(), token),
                start_new_session=True,
                **self._identity(),
            )

    def _environment(self, control: int, token: str) -> dict[str, str]:
        crew = self.crew
        given = {
            "control": control,
            "python": str(crew.sandbox.python),
            "confined": crew.sandbox.confined,
            "limits": asdict(crew.limits),
            "timeout": READ_SECONDS,
            "token": token,
        }
        own = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return {**own, **crew.environment, VARIABLE: json.dumps(given)}

    def _identity(self) -> dict[str, Any]:
        if not self.crew.accounts:
            return {"umask": 0o077}
        one = account(self.rights.user)
        return {
            "user": one.uid,
            "group": one.gid,
            "extra_groups": one.groups,
            "umask": 0o077,
            "cwd": "/",
        }

    def ask(
        self, task: dict[str, Any], handles: Sequence[int] = (), tell: Tell | None = None
    ) -> dict[str, Any]:
        """Send a task and return its answer.

        Raises
        ------
        TaskError
            It failed, or the worker ended.
        """
        with self._lock:
            seconds = self.crew.limits.seconds * max(1, len(task.get("replicas", ())))
            deadline = time.monotonic() + seconds + READ_SECONDS + GRACE_SECONDS
            try:
                self._renew()
                socket.send_fds(self._control, [json.dumps(task).encode()], handles)
                return self._answer(deadline, tell)
            except OSError:
                raise self._gone() from None
            finally:
                self.used = time.monotonic()

    def _token(self) -> str:
        """Return a token for it; without one, another is asked for before the next task."""
        if token := self.crew.token_of(self.rights):
            self._token_at = time.monotonic()
        return token

    def _renew(self) -> None:
        if time.monotonic() - self._token_at > TOKEN_SECONDS and (token := self._token()):
            self._control.send(json.dumps({"do": "token", "token": token}).encode())

    def _answer(self, deadline: float, tell: Tell | None) -> dict[str, Any]:
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not readable(self._control, left):
                self.stop()
                raise TaskError("limit", "its worker did not answer in time", retry=True)
            received = self._control.recv(MESSAGE_BYTES)
            if not received:
                raise self._gone()
            message: dict[str, Any] = json.loads(received)
            if "progress" in message:
                if tell:
                    tell(message["progress"])
            elif "error" in message:
                told = message["error"]
                raise TaskError(told["kind"], told["message"], told["lines"], retry=told["retry"])
            else:
                return message

    def _gone(self) -> TaskError:
        self.stop()
        return TaskError("worker", "its worker was ended", retry=True)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End it, whatever it is at, and with it its child."""
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)


class Pool:
    """Hands out workers.

    Parameters
    ----------
    size
        Most workers at a time.
    each
        Most of them for one user; by default all.
    """

    def __init__(self, crew: Crew, size: int, each: int = 0) -> None:
        self.crew = crew
        self.size = size
        self._each = each or size
        self._idle: list[Worker] = []
        self._busy: list[Worker] = []
        self._changed = threading.Condition()
        self._closed = False

    @contextmanager
    def worker(self, rights: Rights, key: object = None) -> Iterator[Worker]:
        """Give a worker with a user's rights, if possible one that holds the selection ``key``.

        Waits for one while all are busy.

        Raises
        ------
        CasitaError
            The user has no account here, or the pool is closed.
        """
        worker = self._take(rights, key)
        try:
            if not worker.alive:
                worker.start()
            worker.key = key if key is not None else worker.key
            yield worker
        finally:
            self._give_back(worker)

    def _take(self, rights: Rights, key: object) -> Worker:
        with self._changed:
            while not self._closed:
                own = [one for one in self._idle if one.rights == rights and one.alive]
                known = [one for one in own if one.key == key]
                if sum(one.rights.user == rights.user for one in self._busy) >= self._each:
                    self._changed.wait()
                    continue
                if found := (known or own)[-1:]:
                    self._idle.remove(found[0])
                    break
                if len(self._busy) < self.size:
                    self._make_room()
                    found = [Worker(self.crew, rights)]
                    break
                self._changed.wait()
            else:
                raise CasitaError("the service is being stopped")
            self._busy.append(found[0])
        return found[0]

    def _make_room(self) -> None:
        while self._idle and len(self._busy) + len(self._idle) >= self.size:
            self._idle.pop(0).stop()

    def _give_back(self, worker: Worker) -> None:
        with self._changed:
            self._busy.remove(worker)
            if worker.alive and not self._closed:
                self._idle.append(worker)
            else:
                worker.stop()
            self._changed.notify_all()

    def tend(self) -> None:
        """End workers that nobody has used for long."""
        with self._changed:
            since = time.monotonic() - IDLE_SECONDS
            for one in [one for one in self._idle if one.used < since or not one.alive]:
                self._idle.remove(one)
                one.stop()

    @property
    def free(self) -> int:
        """How many more tasks could run now."""
        return self.size - len(self._busy)

    def close(self) -> None:
        """End all workers; whoever waits for one, or has one, gets an error."""
        with self._changed:
            self._closed = True
            for one in [*self._idle, *self._busy]:
                one.stop()
            self._idle.clear()
            self._changed.notify_all()
