"""``python -m casita_columns.workers.worker``: reads files for one user, with that user's rights.

The service starts it, in the multiuser profile under the user's account, and sends it one task
after the other over an inherited socket (``SOCK_SEQPACKET``, JSON; files come along as
descriptors).  It opens what is to be read, has a child in a sandbox run the user's code on it, and
tells what came of that.  The service's secrets and folders are not within its reach.

====================================================== =========================================
from the service                                        answer
====================================================== =========================================
``check`` codegen + selection                           ``ok``
``run`` codegen, format, replicas + selection, output   ``progress`` ..., then ``done``
``look`` url + output                                   ``done``: JSON of trees is in the output
``list`` url + output                                   ``done``: JSON of a folder is in the output
``versions`` + paths, output                            ``done``: JSON of sizes is in the output
``token`` text                                          none: reads use it from now on
====================================================== =========================================

Any answer may be ``error`` instead: ``{"kind", "message", "lines", "retry"}``.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from casita.bearer import write
from casita.errors import CasitaError
from casita_columns.workers.child import ChildError, readable
from casita_columns.workers.children import Children
from casita_columns.workers.inputs import InputError, open_local, open_remote, served, version_of
from casita_columns.workers.sandbox import Limits, Sandbox

VARIABLE = "CASITA_COLUMNS_WORKER"
MESSAGE_BYTES = 256 * 1024
IDLE_SECONDS = 0.1
"""After this a child is made ready for another query."""
KEPT_SECONDS = 10.0
"""So much longer the one that holds the last query is kept: its next file may be on its way."""


class Worker:
    """One worker.

    Parameters
    ----------
    seconds
        That the answer of a server may take.
    """

    def __init__(self, sandbox: Sandbox, limits: Limits, seconds: float) -> None:
        self._children = Children(sandbox, limits)
        self._seconds = seconds

    def check(self, task: dict[str, Any], selection: int) -> dict[str, Any]:
        """Have a selection translated; the child is kept for the files that follow."""
        self._children.holding(task["codegen"], task["key"], selection)
        return {"ok": True}

    def run(self, task: dict[str, Any], handles: Sequence[int], tell: Any) -> dict[str, Any]:
        """Have one file transformed, from the first of its replicas that can be read.

        Raises
        ------
        ChildError, InputError
            None can, or the code fails.
        """
        selection, output = handles
        trouble: InputError | ChildError | None = None
        for url in task["replicas"]:
            child = self._children.holding(task["codegen"], task["key"], selection)
            try:
                with self._opened(url) as (kind, handle):
                    done = child.transform(
                        kind, task["format"], [handle, output], lambda one: tell({"progress": one})
                    )
                    return {"done": done | {"url": url}}
            except InputError as error:
                trouble = error
            except ChildError as error:
                trouble = error
                if not error.retry:
                    break
        assert trouble is not None
        raise trouble

    def look(self, task: dict[str, Any], handles: Sequence[int]) -> dict[str, Any]:
        """Have a file's trees listed."""
        child = self._children.empty()
        with self._opened(task["url"]) as (kind, handle):
            child.look(kind, [handle, handles[0]])
        return {"done": {}}

    def list(self, task: dict[str, Any], handles: Sequence[int]) -> dict[str, Any]:
        """List a folder, as ``[[name, bytes or null, is a folder], ...]``."""
        from casita_columns.finders import NotThere, local_listing, xrootd_listing

        url = task["url"]
        try:
            found = local_listing(url) if url.startswith("/") else xrootd_listing(url)
        except NotThere as error:
            return {"done": {"absent": error.message}}
        except CasitaError as error:
            raise InputError(error.message, passing=True) from None
        with os.fdopen(os.dup(handles[0]), "w") as out:
            json.dump([list(one) for one in found], out)
        return {"done": {}}

    def versions(self, handles: Sequence[int]) -> dict[str, Any]:
        """Tell sizes and versions of local files, as ``[[bytes, text], ...]``."""
        with os.fdopen(os.dup(handles[0])) as given, os.fdopen(os.dup(handles[1]), "w") as out:
            given.seek(0)
            json.dump([version_of(one) for one in json.load(given)], out)
        return {"done": {}}

    def warm(self) -> None:
        """Have a child ready for the next selection: its imports take a while."""
        self._children.empty()

    def forget(self) -> None:
        """End the child whose selection nobody seems to need any more."""
        self._children.forget()

    def end_children(self) -> None:
        """End the children."""
        self._children.close()

    @contextmanager
    def _opened(self, url: str) -> Iterator[tuple[dict[str, Any], int]]:
        """Give the protocol's ``input`` and its descriptor."""
        name = url.partition("?")[0].rsplit("/", 1)[-1] or "input"
        if (local := open_local(url)) is not None:
            try:
                yield {"kind": "file", "name": name}, local
            finally:
                os.close(local)
            return
        remote = open_remote(url, self._seconds)
        with served(remote) as handle:
            yield {"kind": "stream", "name": name, "size": remote.size}, handle


def answer(worker: Worker, task: dict[str, Any], handles: Sequence[int], tell: Any) -> Any:
    """Return the answer to one task, whatever comes of it."""
    try:
        match task["do"]:
            case "check":
                return worker.check(task, handles[0])
            case "run":
                return worker.run(task, handles, tell)
            case "look":
                return worker.look(task, handles)
            case "versions":
                return worker.versions(handles)
            case _:
                return worker.list(task, handles)
    except InputError as error:
        told = {"kind": "input", "message": error.message, "lines": [], "retry": error.passing}
    except ChildError as error:
        told = {"kind": error.kind, "message": error.message, "lines": error.lines}
        told["retry"] = error.retry
    except Exception as error:
        told = {"kind": "worker", "message": f"{type(error).__name__}: {error}", "lines": []}
        told["retry"] = False
    return {"error": told}


def main() -> None:
    """Serve until the service closes its end."""
    from casita import startup

    given = json.loads(os.environ.pop(VARIABLE))
    control = socket.socket(fileno=given["control"])
    sandbox = Sandbox(Path(given["python"]), given["confined"])
    with tempfile.TemporaryDirectory(prefix="casita-columns-") as folder:
        bearer = Path(folder, "bearer")
        if given["token"]:
            _keep(bearer, given["token"])
        os.chdir(folder)
        startup.install()  # reads go through the facility's cache from now on
        worker = Worker(sandbox, Limits(**given["limits"]), given["timeout"])
        signal.signal(signal.SIGTERM, _end)
        worker.warm()
        try:
            _serve(worker, control, bearer)
        finally:
            worker.end_children()


def _keep(bearer: Path, token: str) -> None:
    """Have a storage token found by whatever reads."""
    write(bearer, token)
    os.environ["BEARER_TOKEN_FILE"] = str(bearer)


def _end(number: int, frame: object) -> None:
    """Leave in order, and be told once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit()


def _serve(worker: Worker, control: socket.socket, bearer: Path) -> None:
    def tell(message: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):
            control.send(json.dumps(message).encode())

    while True:
        if not readable(control, IDLE_SECONDS):
            worker.warm()
            if not readable(control, KEPT_SECONDS):
                worker.forget()
                readable(control)
        received, handles, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 4)
        if not received:
            return
        try:
            task = json.loads(received)
            if task["do"] == "token":
                _keep(bearer, task["token"])
            else:
                tell(answer(worker, task, handles, tell))
        finally:
            for one in handles:
                os.close(one)


if __name__ == "__main__":
    main()
