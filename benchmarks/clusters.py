"""A cluster of 2 and of 4 workers, and its first tasks: Dask Gateway against LocalCluster."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from benchmarks.facility import facility, gateway
from benchmarks.report import Report, timed, turns


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


def through_gateway(door: Any, workers: int) -> dict[str, float]:
    """Start a cluster at the gateway, use it and stop it."""
    held: dict[str, Any] = {}

    def start() -> None:
        held["cluster"] = door.new_cluster()
        held["cluster"].scale(workers)
        held["client"] = held["cluster"].get_client()
        held["client"].wait_for_workers(workers, timeout=120)

    seconds = timed(start)
    try:
        return {f"{workers} workers are there": seconds, **first_tasks(held["client"])}
    finally:
        held["client"].close()
        held["cluster"].shutdown()


def local(workers: int) -> dict[str, float]:
    """Do the same with distributed's own cluster on this machine."""
    from distributed import Client, LocalCluster

    held: dict[str, Any] = {}

    def start() -> None:
        held["cluster"] = LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        )
        held["client"] = Client(held["cluster"])
        held["client"].wait_for_workers(workers, timeout=120)

    seconds = timed(start)
    try:
        return {f"{workers} workers are there": seconds, **first_tasks(held["client"])}
    finally:
        held["client"].close()
        held["cluster"].close()


def run(report: Report, given: Namespace) -> None:
    """Compare starts of clusters."""
    with facility(given.state) as running, gateway(running) as door:
        for workers in (2, 4):
            sides = {
                "casita": lambda n=workers: through_gateway(door, n),
                "LocalCluster": lambda n=workers: local(n),
            }
            values = turns(given.rounds, sides)
            report.compare(f"A cluster of {workers} workers", values)
