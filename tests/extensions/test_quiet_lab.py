"""JupyterLab calls nobody: no news, no search for updates, no extension index."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from casita.files import tail
from casita.ports import free_ports

pytest.importorskip("jupyterlab")

EXTENSIONS = Path(__file__).parents[2] / "extensions"
# In every Python process below the server: notes each host looked for, refuses the others' ones.
WATCH = """
import os, sys

def watch(event, args):
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event == "socket.connect" and isinstance(args[1], tuple):
        host = args[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in (None, "", "localhost", "127.0.0.1", "::1"):
        with open(os.environ["WATCH_LOG"], "a") as log:
            log.write(f"{host}\\n")
        raise OSError(f"{host} is not to be called")

sys.addaudithook(watch)
"""


@pytest.fixture
def lab(tmp_path):
    """A JupyterLab with our configuration; yields a client and the file of hosts called."""
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    called = tmp_path / "called"
    called.touch()
    (port,) = free_ports(1)
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "JUPYTER_CONFIG_PATH": str(EXTENSIONS),
        "JUPYTER_TOKEN": "for-this-test",
        "PYTHONPATH": str(tmp_path),
        "WATCH_LOG": str(called),
    }
    options = ["--no-browser", f"--ServerApp.port={port}", f"--ServerApp.root_dir={tmp_path}"]
    log = tmp_path / "lab.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--allow-root", *options],
            env=environment,
            stdout=stream,
            stderr=stream,
        )
    headers = {"Authorization": "token for-this-test"}
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60
        ) as client:
            deadline = time.monotonic() + 90
            while not _is_up(client):
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"JupyterLab did not start:\n{tail(log, 40)}")
                time.sleep(0.2)
            yield client, called
    finally:
        process.terminate()
        process.wait(30)


def _is_up(client):
    try:
        return client.get("/api/status").is_success
    except httpx.TransportError:
        return False


def test_the_server_calls_nobody(lab):
    client, called = lab
    assert client.get("/lab/api/news").json() == {"news": []}
    assert client.get("/lab/api/update").json() == {"notification": None}
    assert client.get("/lab/api/extensions", params={"query": "dask"}).is_success
    assert '"can_install": false' in client.get("/lab").text
    assert called.read_text() == ""


def test_the_browser_is_told_not_to_ask(lab):
    client, _ = lab
    settings = client.get("/lab/api/settings/@jupyterlab/apputils-extension:notification").json()
    defaults = {name: value["default"] for name, value in settings["schema"]["properties"].items()}
    assert defaults["fetchNews"] == "false"
    assert defaults["checkForUpdates"] is False
