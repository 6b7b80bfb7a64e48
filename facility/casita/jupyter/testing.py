"""A real Jupyter server for tests of its facility parts, ours and those of extension authors."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from casita.files import tail
from casita.ports import free_ports

HIDDEN = ("CASITA", "JUPYTER", "DASK_")


@dataclass
class JupyterServer:
    """A running server."""

    url: str
    """With trailing slash."""
    token: str
    log: Path
    pid: int
    http: httpx.Client
    """With the token; its addresses are below ``/casita/``."""

    def events(self, path: str, seconds: float = 30) -> Iterator[tuple[str, Any]]:
        """Give (name, content) of server-sent events until the stream ends.

        Raises
        ------
        httpx.ReadTimeout
            Nothing came for so many seconds.
        """
        with self.http.stream("GET", path, timeout=seconds) as answer:
            if answer.is_error:
                answer.read()
                raise AssertionError(f"{path}: {answer.status_code} {answer.text}")
            assert answer.headers["Content-Type"] == "text/event-stream", answer.headers
            name = ""
            for line in answer.iter_lines():
                kind, _, text = line.partition(": ")
                if kind == "event":
                    name = text
                elif kind == "data":
                    yield name, json.loads(text)


@contextmanager
def running_server(
    home: Path, environment: Mapping[str, str] | None = None, *options: str
) -> Iterator[JupyterServer]:
    """Run ``jupyter server`` with ``home`` as home folder, with none of this process's facility.

    Raises
    ------
    AssertionError
        It did not start; holds its log.
    """
    clean = {key: value for key, value in os.environ.items() if not key.startswith(HIDDEN)}
    places = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")}
    (port,) = free_ports(1)
    token = secrets.token_hex(8)
    log = home / "jupyter.log"
    words = [
        *(sys.executable, "-m", "jupyter", "server", "--allow-root", "--no-browser"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *(f"--ServerApp.root_dir={home}", f"--IdentityProvider.token={token}", *options),
    ]
    with log.open("w") as stream:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env={**clean, **places, **(environment or {})},
        )
    url = f"http://127.0.0.1:{port}/"
    headers = {"Authorization": f"token {token}"}
    try:
        with httpx.Client(
            base_url=f"{url}casita/", headers=headers, timeout=30, trust_env=False
        ) as http:
            _wait(f"{url}api/status", http, process, log)
            yield JupyterServer(url, token, log, process.pid, http)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(url: str, http: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.TransportError):
            if http.get(url, timeout=5).is_success:
                return
        time.sleep(0.1)
    raise AssertionError(f"jupyter server did not start:\n{tail(log, 40)}")
