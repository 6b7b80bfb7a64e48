"""The guard of a scheduler's own HTTP server, in a real `dask scheduler`."""

import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from casita import gateway
from casita.ports import free_ports

GUARD = Path(gateway.__file__).with_name("guard.py")
ANSWERS = {"token mine": 200, "token bobs": 403, "token gone": 404, "token broken": 500}


@dataclass
class Api:
    """Stands where the gateway's API is: who may see cluster "c1"."""

    server: ThreadingHTTPServer
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/api"


@pytest.fixture
def api():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            running.asked.append(self.path)
            self.send_response(ANSWERS.get(self.headers.get("Authorization"), 401))
            self.end_headers()

        def log_message(self, *words):
            pass

    running = Api(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
    threading.Thread(target=running.server.serve_forever, daemon=True).start()
    yield running
    running.server.shutdown()
    running.server.server_close()


@dataclass
class Scheduler:
    process: subprocess.Popen
    log: Path
    url: str

    def get(self, token: str | None = None, path: str = "/status", **more) -> httpx.Response:
        headers = {"Authorization": token} if token else {}
        return httpx.get(self.url + path, headers=headers, timeout=20, **more)

    def first_answer(self) -> httpx.Response:
        """Return the very first answer the server gives, asked without pause."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                return self.get()
            except httpx.ConnectError:
                continue
        raise AssertionError(f"no answer within 60 s\n{self.log.read_text()}")


@pytest.fixture
def start(tmp_path):
    """Start schedulers with a preload and an environment."""
    started = []

    def scheduler(preload: str, **environment: str) -> Scheduler:
        port, log = free_ports(1)[0], tmp_path / "scheduler.log"
        command = [Path(sys.prefix) / "bin" / "dask", "scheduler", "--host", "127.0.0.1"]
        command += ["--port", "0", "--dashboard-address", f"127.0.0.1:{port}", "--preload", preload]
        with log.open("w") as stream:
            process = subprocess.Popen(
                command, stdout=stream, stderr=stream, env=environment, cwd=tmp_path
            )
        started.append(process)
        return Scheduler(process, log, f"http://127.0.0.1:{port}")

    yield scheduler
    for process in started:
        process.terminate()
        process.wait(20)


def gateway_environment(url: str) -> dict[str, str]:
    return {"DASK_GATEWAY_API_URL": url, "DASK_GATEWAY_CLUSTER_NAME": "c1"}


def test_who_is_let_in(start, api):
    scheduler = start("casita.gateway.guard", **gateway_environment(api.url))
    assert scheduler.first_answer().status_code == 401
    assert api.asked == []  # nothing to ask about
    expected = {"token mine": 200, "token bobs": 403, "token gone": 403, "token x": 401}
    for token, status in expected.items():
        for _ in range(3):
            assert scheduler.get(token).status_code == status, token
    assert api.asked == ["/api/v1/clusters/c1"] * len(expected)  # once for each token
    assert scheduler.get("token broken").status_code == 503
    assert scheduler.get("Basic bWluZQ==").status_code == 401
    assert scheduler.get("Bearer mine").status_code == 200
    for path in ("/health", "/metrics", "/info/main/workers.html", "/sitemap.json", "/no-such"):
        assert scheduler.get(path=path).status_code == 401
    assert httpx.post(scheduler.url, content=b"x" * 10**6).status_code == 401


def test_a_refusal_is_forgotten_soon(start, api):
    scheduler = start("casita.gateway.guard", **gateway_environment(api.url))
    scheduler.first_answer()
    assert scheduler.get("token late").status_code == 401
    deadline = time.monotonic() + 15
    while len(api.asked) < 2:
        assert time.monotonic() < deadline
        scheduler.get("token late")


def test_it_stays_shut_while_the_gateway_is_away_and_opens_when_it_is_back(start, api):
    away = f"http://127.0.0.1:{free_ports(1)[0]}/api"
    scheduler = start("casita.gateway.guard", **gateway_environment(away))
    assert scheduler.first_answer().status_code == 401
    answer = scheduler.get("token mine")
    assert answer.status_code == 503
    assert "the gateway can't be asked" in answer.text
    api.server.shutdown()
    api.server.server_close()
    api.server = ThreadingHTTPServer(
        ("127.0.0.1", int(away.split(":")[2].split("/")[0])), api.server.RequestHandlerClass
    )
    threading.Thread(target=api.server.serve_forever, daemon=True).start()
    assert scheduler.get("token mine").status_code == 200


def test_it_works_as_a_lone_file(start, api, tmp_path):
    """An environment without casita takes it by path."""
    alone = shutil.copy(GUARD, tmp_path / "alone.py")
    assert "import casita" not in alone.read_text()
    assert "from casita" not in alone.read_text()
    scheduler = start(str(alone), **gateway_environment(api.url))
    assert scheduler.first_answer().status_code == 401
    assert scheduler.get("token mine").status_code == 200


def test_without_a_gateway_the_process_ends_and_says_why(start):
    scheduler = start("casita.gateway.guard")
    assert scheduler.process.wait(60) != 0
    assert "DASK_GATEWAY_API_URL is not set" in scheduler.log.read_text()
