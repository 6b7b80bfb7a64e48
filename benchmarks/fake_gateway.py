"""Dask Gateway's own server, with clusters that are only told of.

The real server, routes and wire format are measured; only what starts clusters is not there, so
that a hundred of them fit on a small machine.  ``CASITA_FAKE_CLUSTERS`` says how many there are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from aiohttp import web
from dask_gateway_server.auth import Authenticator
from dask_gateway_server.backends.base import Backend
from dask_gateway_server.models import Cluster, ClusterStatus, User

USER = "ann"
COUNT = int(os.environ.get("CASITA_FAKE_CLUSTERS", "1"))
asked = {"requests": 0}
"""How often anybody asked for anything; at ``/asked``."""
routes = web.RouteTableDef()


class Anybody(Authenticator):  # type: ignore[misc]
    """Takes whoever comes for one user."""

    async def authenticate(self, request: web.Request) -> User:
        """Return the user."""
        return User(USER)


class ToldOf(Backend):  # type: ignore[misc]
    """Has ``clusters`` clusters that run, with a worker each."""

    async def setup(self, app: web.Application) -> None:
        """Make them."""
        self.known = {f"{number:032x}": _cluster(number) for number in range(COUNT)}
        app.add_routes(routes)
        app.middlewares.append(_count)

    async def cleanup(self) -> None:
        """Nothing runs."""

    async def list_clusters(self, username: str = "", statuses: Any = None) -> list[Cluster]:
        """Return all."""
        return list(self.known.values())

    async def get_cluster(self, cluster_name: str, wait: bool = False) -> Cluster | None:
        """Return one."""
        return self.known.get(cluster_name)


def _cluster(number: int) -> Cluster:
    return Cluster(
        name=f"{number:032x}",
        username=USER,
        token="",
        options={"worker_cores": 1, "worker_memory": 2.0, "label": f"scan {number}"},
        config={},
        status=ClusterStatus.RUNNING,
        scheduler_address="gateway://127.0.0.1:1/x",
        dashboard_address="http://127.0.0.1:1",
        start_time=int((time.time() - 600 + number) * 1000),
    )


@web.middleware
async def _count(request: web.Request, handler: Any) -> web.StreamResponse:
    asked["requests"] += request.path != "/asked"
    answer: web.StreamResponse = await handler(request)
    return answer


@routes.get("/asked")
async def _asked(request: web.Request) -> web.Response:
    return web.json_response(asked)


@routes.get("/api/v1/limits")
async def _limits(request: web.Request) -> web.Response:
    share = {"used": COUNT, "limit": 4 * COUNT}
    return web.json_response(dict.fromkeys(("clusters", "cores", "memory"), share))


@routes.get("/clusters/{name}/casita/facts.json")
async def _facts(request: web.Request) -> web.Response:
    tasks = dict.fromkeys(("waiting", "processing", "memory", "erred"), 0)
    size = {"workers": 1, "cores": 1, "memory": 2**31, "memory_used": 2**27, "wanted": 1}
    return web.json_response({**size, "tasks": tasks, "adaptive": None, "idle_ends": 2e9})


@contextmanager
def fake_gateway(count: int, port: int) -> Iterator[str]:
    """Give the address of such a gateway."""
    here = "benchmarks.fake_gateway"
    words = [
        *(sys.executable, "-m", "dask_gateway_server", f"--DaskGateway.address=127.0.0.1:{port}"),
        f"--DaskGateway.backend_class={here}.ToldOf",
        f"--DaskGateway.authenticator_class={here}.Anybody",
        "--log-level=ERROR",
    ]
    environment = {**os.environ, "CASITA_FAKE_CLUSTERS": str(count)}
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL) as process:
        try:
            while not _answers(f"{url}/api/health"):
                assert process.poll() is None, "the gateway ended"
                time.sleep(0.05)
            yield url
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False


def requests(url: str) -> int:
    """Return how often a gateway was asked for anything."""
    return int(json.loads(httpx.get(f"{url}/asked", trust_env=False).text)["requests"])
