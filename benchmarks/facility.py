"""A facility and the rivals, for all benchmarks."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from casita.testing import Facility, running_facility


@contextmanager
def facility(state: Path) -> Iterator[Facility]:
    """Give a running facility; it is taken down at the end."""
    with running_facility(state.absolute()) as running:
        yield running


@contextmanager
def gateway(running: Facility) -> Iterator[Any]:
    """Give a dask_gateway.Gateway of the administrator."""
    from dask_gateway import Gateway, JupyterHubAuth

    import casita_clusters.closing  # noqa: F401 (no noise when it is thrown away)

    site = running.site
    with running.login() as session:
        token = session.token("benchmark", 6 * 3600)
    with Gateway(
        site.gateway_url,
        proxy_address=site.gateway_traffic,
        auth=JupyterHubAuth(api_token=token),
    ) as found:
        yield found


@contextmanager
def jupyter_lab() -> Iterator[float]:
    """Give the seconds until a plain ``jupyter lab`` answered; it is ended afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        options = [f"--ServerApp.port={port}", f"--ServerApp.root_dir={home}"]
        options += ["--no-browser", "--allow-root", "--IdentityProvider.token=benchmark"]
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not _answers(f"http://127.0.0.1:{port}/api/status?token=benchmark"):
                assert process.poll() is None, "jupyter lab ended"
                time.sleep(0.05)
            yield time.monotonic() - began
        finally:
            process.terminate()
            process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False
