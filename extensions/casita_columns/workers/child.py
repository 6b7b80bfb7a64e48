"""A child in its sandbox, as its worker sees it; the protocol is told in ``transform``."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from casita_columns.workers.sandbox import Limits, Sandbox
from casita_columns.workers.words import Words

MESSAGE_BYTES = 64 * 1024
START_SECONDS = 30.0
DIED = "users' code ended its process"
Progress = Callable[[dict[str, Any]], None]


class ChildError(Exception):
    """What the child, or its end, tells.

    Parameters
    ----------
    kind
        ``selection``, ``data``, ``code``, ``output``; ``limit`` if it was ended, or ended itself.
    """

    def __init__(
        self, kind: str, message: str, lines: Sequence[str] = (), *, retry: bool = False
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.lines = list(lines)
        self.retry = retry


class Child:
    """One process for one selection; it does one file after the other."""

    def __init__(self, sandbox: Sandbox, limits: Limits) -> None:
        self._limits = limits
        self.cpu = 0.0
        """CPU time that it has used, s, by its own account."""
        self._said = Words()
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        end = theirs.fileno()
        try:
            self._process = subprocess.Popen(
                [*sandbox.command(limits), f"--control={end}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said.end,
                pass_fds=(end,),
                env=sandbox.environment(),
                start_new_session=True,
            )
        finally:
            theirs.close()
            self._said.begin()

    def load(self, codegen: str, selection: int) -> None:
        """Hand over a selection, a file descriptor of its text.

        Raises
        ------
        ChildError
            It is none, with a sentence for a person.
        """
        self._send({"do": "load", "codegen": codegen}, [selection])
        self._answer("loaded", min(START_SECONDS, self._limits.seconds), None)

    def transform(
        self, kind: dict[str, Any], form: str, handles: Sequence[int], progress: Progress
    ) -> dict[str, Any]:
        """Have a file read and written.

        Parameters
        ----------
        kind
            The protocol's ``input``.
        form
            ``parquet``, ``root-file`` or ``root-rntuple``.
        handles
            File descriptors of input and output.

        Returns
        -------
        dict
            The protocol's ``done``.

        Raises
        ------
        ChildError
            It did not work; the child may be gone.
        """
        self._send({"do": "transform", "format": form, "input": kind}, handles)
        done: dict[str, Any] = self._answer("done", self._limits.seconds, progress)
        return done

    def look(self, kind: dict[str, Any], handles: Sequence[int]) -> None:
        """Have trees and branches of a file listed, as JSON in the output.

        Raises
        ------
        ChildError
            It can't be read.
        """
        self._send({"do": "look", "input": kind}, handles)
        self._answer("done", self._limits.seconds, None)

    def _send(self, message: dict[str, Any], handles: Sequence[int]) -> None:
        try:
            socket.send_fds(self._ours, [json.dumps(message).encode()], handles)
        except OSError:
            raise self._ended() from None

    def _answer(self, name: str, seconds: float, progress: Progress | None) -> Any:
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not readable(self._ours, left):
                self.kill()
                raise ChildError("limit", f"it took longer than {seconds:.0f} s")
            try:
                received = self._ours.recv(MESSAGE_BYTES + 1)
            except OSError:
                received = b""
            if not received:
                raise self._ended()
            message = _parsed(received)
            self.cpu = _seconds(message.get("cpu"), self.cpu)
            if name in message:
                return message[name]
            if "error" in message:
                raise _error(message["error"])
            if progress and isinstance(message.get("progress"), dict):
                progress(message["progress"])

    def _ended(self) -> ChildError:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()
            return ChildError("limit", "it closed its connection")
        self.kill()
        # bubblewrap hands on 128 + the signal that ended what ran in it.
        number = -code if code < 0 else code - 128
        said = self._said.lines()
        if number == signal.SIGXCPU:
            return ChildError("limit", f"it took more than {self._limits.cpu} s of CPU time")
        if number == signal.SIGXFSZ:
            return ChildError("output", f"it wrote more than {self._limits.output} bytes")
        if number == signal.SIGKILL:
            return ChildError("limit", f"{DIED}, or the machine ran out of memory")
        with contextlib.suppress(ValueError):
            return ChildError("limit", f"{DIED} by {signal.Signals(number).name}", said)
        why = f": {said[-1]}" if said else ""
        return ChildError("limit", f"{DIED} with status {code}{why}", said)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it and all that it started."""
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._ours.close()


def readable(end: socket.socket, seconds: float | None = None) -> bool:
    """Wait until there is something to read, or the other side is closed; returns whether."""
    poll = select.poll()  # select() knows no descriptors above 1023
    poll.register(end, select.POLLIN)
    return bool(poll.poll(None if seconds is None else 1000 * seconds))


@contextmanager
def text_file(text: str) -> Iterator[int]:
    """Give a descriptor of an unnamed file that holds a text."""
    handle = os.memfd_create("selection")
    try:
        with os.fdopen(os.dup(handle), "w", encoding="utf-8") as out:
            out.write(text)
        os.lseek(handle, 0, os.SEEK_SET)
        yield handle
    finally:
        os.close(handle)


def _parsed(received: bytes) -> dict[str, Any]:
    """Return a message of a process that may run anybody's code."""
    try:
        message = json.loads(received)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise ChildError("code", "it sent something that is no message")
    return message


def _seconds(told: Any, before: float) -> float:
    return float(told) if isinstance(told, int | float) and 0 <= told < 1e9 else before


def _error(told: Any) -> ChildError:
    told = told if isinstance(told, dict) else {}
    lines = told.get("lines")
    return ChildError(
        str(told.get("kind", "code"))[:20],
        str(told.get("message", "it failed"))[:4000],
        [str(one)[:500] for one in lines[:40]] if isinstance(lines, list) else [],
        retry=told.get("retry") is True,
    )
