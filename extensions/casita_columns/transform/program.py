"""The program: takes messages, gives answers."""

from __future__ import annotations

import argparse
import json
import os
import socket
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from .confine import allow, confine
from .pieces import CodeError, DataError, Plan, SelectionError

MESSAGE_BYTES = 64 * 1024
PROGRESS_SECONDS = 0.25
LINES = 20
LINE_MAX = 300
PASSING = ("expired", "timed out", "timeout", "connection", "temporarily")
"""Words of errors after which another attempt may help, as "[ERROR] Operation expired"."""


class Program:
    """What is loaded, and what is done with it.

    Parameters
    ----------
    cpu
        Seconds of CPU time for what one message asks for.
    """

    def __init__(self, control: socket.socket, cpu: int) -> None:
        self._control = control
        self._cpu = cpu
        self._plan: Plan | None = None

    def run(self) -> None:
        """Answer messages until the other side is closed."""
        while True:
            received, handles, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 4)
            if not received:
                return
            try:
                allow(self._cpu)
                answer = self._answer(json.loads(received), handles)
                self._send(answer | {"cpu": time.process_time()})
            finally:
                for one in handles:
                    os.close(one)

    def _send(self, message: dict[str, Any]) -> None:
        self._control.send(json.dumps(message).encode())

    def _answer(self, message: dict[str, Any], handles: Sequence[int]) -> dict[str, Any]:
        act: dict[str, Callable[..., dict[str, Any]]] = {
            "load": self._load,
            "transform": self._transform,
            "look": self._look,
        }
        try:
            return act[message["do"]](message, handles)
        except SelectionError as error:
            return told("selection", str(error), error)
        except DataError as error:
            return told("data", str(error), error)
        except CodeError as error:
            return told("code", str(error), error)
        except MemoryError as error:
            return told("code", "it needs more memory than it may have", error)
        except OSError as error:
            kind = "output" if error.errno in (27, 28) else "data"  # EFBIG, ENOSPC
            return told(kind, said(error), error)
        except BaseException as error:
            return told("code", said(error), error)

    def _load(self, message: dict[str, Any], handles: Sequence[int]) -> dict[str, Any]:
        from .codegens import load

        with os.fdopen(os.dup(handles[0]), encoding="utf-8") as stream:
            text = stream.read()
        self._plan = load(message["codegen"], text)
        return {"loaded": True}

    def _transform(self, message: dict[str, Any], handles: Sequence[int]) -> dict[str, Any]:
        from .output import written
        from .sources import opened

        assert self._plan is not None
        began, spoken = time.monotonic(), time.monotonic()
        with opened(message["input"], handles[0]) as source:

            def tell(events: int) -> None:
                nonlocal spoken
                if time.monotonic() - spoken > PROGRESS_SECONDS:
                    spoken = time.monotonic()
                    self._send({"progress": {"events": events, "entries": source.entries}})

            events = written(self._plan.pieces(source), message["format"], handles[1], tell)
        # The number of bytes is known when the file is closed.
        done = {"events": events, "events_in": source.entries, "bytes_in": source.bytes_in}
        return {"done": done | {"seconds": time.monotonic() - began}}

    def _look(self, message: dict[str, Any], handles: Sequence[int]) -> dict[str, Any]:
        from .look import trees
        from .sources import opened

        with opened(message["input"], handles[0]) as source:
            text = json.dumps(trees(source))
        with os.fdopen(os.dup(handles[1]), "w", encoding="utf-8") as out:
            out.truncate(0)
            out.write(text)
        return {"done": {}}


def said(error: BaseException) -> str:
    """Return an error in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"


def told(kind: str, message: str, error: BaseException) -> dict[str, Any]:
    """Return the answer to a failure, with first and last lines of what there is to say.

    Of errors that the program raises itself, that is what led to them, if anything did.
    """
    own = isinstance(error, SelectionError | DataError | CodeError)
    cause = error.__cause__ if own else error
    text = "".join(traceback.format_exception(cause)).splitlines() if cause else []
    if len(text) > 2 * LINES:
        text = [*text[:LINES], *text[-LINES:]]
    passing = kind == "data" and any(word in str(error).lower() for word in PASSING)
    return {
        "error": {
            "kind": kind,
            "message": message[:2000],
            "lines": [one[:LINE_MAX] for one in text],
            "retry": passing or getattr(error, "passing", False),
        }
    }


def main(arguments: Sequence[str]) -> None:
    """Run the program."""
    parser = argparse.ArgumentParser()
    for name in ("memory", "cpu", "output", "control"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--processes", type=int, default=0)
    given = parser.parse_args(arguments)
    # Imported before threads and memory are scarce, and while nobody waits.
    import awkward
    import pyarrow
    import pyarrow.parquet
    import uproot  # noqa: F401

    from . import output, raw  # noqa: F401
    from .sources import inflate_quickly

    inflate_quickly()
    # Much is imported only as the first table is made.
    awkward.to_arrow_table(awkward.Array([{"x": [1.0]}]), extensionarray=False)
    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    confine(given.memory, given.cpu, given.output, given.processes)
    Program(socket.socket(fileno=given.control), given.cpu).run()
