"""A cluster of 2 and of 4 workers, and its first tasks: Dask Gateway against LocalCluster.

Each turn is a fresh interpreter, as a notebook's kernel is: what is imported counts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from benchmarks.facility import facility
from benchmarks.report import Report, timed, turns

SETTLE = 3
"""Seconds for processes to end, so that they don't slow the other side."""


def first_tasks(client: Any) -> dict[str, float]:
    """Return the seconds of a first trivial task and of a first one that needs coffea."""

    # Inner functions travel by value: the workers of a facility know nothing of this folder.
    def load_coffea() -> str:
        import coffea.nanoevents
        import coffea.processor

        return str(coffea.__version__)

    return {
        "first task": timed(lambda: client.submit(lambda: 1).result()),
        "first task with coffea": timed(lambda: client.submit(load_coffea).result()),
    }


def through_gateway(workers: int) -> tuple[Any, Any]:
    """Return a cluster of the facility and its client, with all workers."""
    from dask_gateway import Gateway

    import casita_clusters.closing  # noqa: F401 (no noise when it is thrown away)

    cluster = Gateway().new_cluster()
    cluster.scale(workers)
    client = cluster.get_client()
    client.wait_for_workers(workers, timeout=120)
    return cluster, client


def local(workers: int) -> tuple[Any, Any]:
    """Return distributed's own cluster on this machine and its client, with all workers."""
    from distributed import Client, LocalCluster

    cluster = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0")
    client = Client(cluster)
    client.wait_for_workers(workers, timeout=120)
    return cluster, client


SIDES: dict[str, Callable[[int], tuple[Any, Any]]] = {
    "casita": through_gateway,
    "LocalCluster": local,
}


def turn(side: str, workers: int) -> dict[str, float]:
    """Start a cluster, use it, stop it, and start another in the same interpreter."""
    found: dict[str, float] = {}
    for name in ("workers are there", "workers are there, again"):
        began = time.monotonic()
        cluster, client = SIDES[side](workers)
        found[name] = time.monotonic() - began
        if len(found) == 1:
            found |= first_tasks(client)
        client.close()
        cluster.close()
        time.sleep(SETTLE)
    return found


def run(report: Report, given: Namespace) -> None:
    """Compare starts of clusters."""
    with facility(given.state) as running:
        command = ["run", "--state", str(running.state), "--", sys.executable, "-m", __name__]

        def measure(side: str, workers: int) -> dict[str, float]:
            done = subprocess.run(
                [sys.executable, "-m", "casita", *command, side, str(workers)],
                stdout=subprocess.PIPE,
                check=True,
                env=dict(os.environ),
            )
            found: dict[str, float] = json.loads(done.stdout)
            return found

        for workers in (2, 4):
            sides = {side: lambda side=side, n=workers: measure(side, n) for side in SIDES}
            values = turns(given.rounds, sides)
            report.compare(f"A cluster of {workers} workers", values)


if __name__ == "__main__":
    print(json.dumps(turn(sys.argv[1], int(sys.argv[2]))))
