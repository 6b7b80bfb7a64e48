"""What a task costs: 1000 tasks that do nothing, through the gateway's TLS proxy and locally."""

from __future__ import annotations

import time
from argparse import Namespace
from typing import Any

from benchmarks.facility import facility, gateway
from benchmarks.report import Report, turns

TASKS = 1000
WORKERS = 2


def overhead(client: Any) -> dict[str, float]:
    """Return wall and client CPU time a task, in milliseconds."""
    began, cpu = time.monotonic(), time.process_time()
    futures = client.map(lambda number: number + 1, range(TASKS), pure=False)
    assert sum(client.gather(futures)) == sum(range(1, TASKS + 1))
    return {
        "wall, ms a task": (time.monotonic() - began) / TASKS * 1000,
        "CPU of the client's process, ms a task": (time.process_time() - cpu) / TASKS * 1000,
    }


def run(report: Report, given: Namespace) -> None:
    """Compare the overhead of tasks on clusters that are warm."""
    from distributed import Client, LocalCluster

    with facility(given.state) as running, gateway(running) as door:
        cluster = door.new_cluster()
        cluster.scale(WORKERS)
        with (
            cluster.get_client(set_as_default=False) as ours,
            LocalCluster(
                n_workers=WORKERS, threads_per_worker=1, dashboard_address="127.0.0.1:0"
            ) as stock,
            Client(stock, set_as_default=False) as theirs,
        ):
            for client in (ours, theirs):
                client.wait_for_workers(WORKERS, timeout=120)
                overhead(client)
            sides = {"casita": lambda: overhead(ours), "LocalCluster": lambda: overhead(theirs)}
            values = turns(given.rounds, sides)
        cluster.shutdown()
    report.compare(
        f"{TASKS} tasks that do nothing",
        values,
        "LocalCluster's scheduler lives in the client's process, so its CPU counts there.",
    )
