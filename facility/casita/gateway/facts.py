"""A dask preload: a scheduler tells its owner about its cluster, in one small answer.

``casita/facts.json`` has what panels and terminals show; distributed's own pages tell a part of it
in many kilobytes.  ``casita/packages.json`` is the cluster's Python environment, for comparison
with the notebook's.  Both stand behind :mod:`casita.gateway.guard`.

It needs nothing but dask, so ``--preload /path/to/facts.py`` works in an environment of the user's
own, too.
"""

from __future__ import annotations

import asyncio
import functools
import platform
import re
import sys
import time
from importlib.metadata import distributions
from typing import Any

from tornado import web


def dask_setup(scheduler: Any) -> None:
    """Add the routes (called by dask before the scheduler reports to its gateway)."""
    routes = [
        web.url("/casita/facts.json", Facts, {"scheduler": scheduler}),
        web.url("/casita/packages.json", Packages),
    ]
    scheduler.http_application.add_application(web.Application(routes))


class Facts(web.RequestHandler):
    """``casita/facts.json``."""

    def initialize(self, scheduler: Any) -> None:
        """Take the scheduler."""
        self.scheduler = scheduler

    def get(self) -> None:
        """Answer what there is at this moment."""
        self.write(facts(self.scheduler, time.time()))


class Packages(web.RequestHandler):
    """``casita/packages.json``."""

    async def get(self) -> None:
        """Answer prefix, Python version and the version of every distribution."""
        versions = await asyncio.to_thread(packages)  # reads a file for each
        about = {"prefix": sys.prefix, "python": platform.python_version(), "packages": versions}
        self.write(about)


@functools.cache
def packages() -> dict[str, str]:
    """Return the version of every distribution by its normalised name (PEP 503)."""
    # The first on the path is the one that is imported.
    found = reversed([(one.name, one.version) for one in distributions() if one.name])
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def facts(scheduler: Any, now: float) -> dict[str, Any]:
    """Return what is known of a cluster.

    Parameters
    ----------
    scheduler
        A ``distributed.Scheduler``.
    now
        Unix time, seconds.

    Returns
    -------
    dict
        ``workers``, ``cores``, ``memory`` (bytes, limit of all workers), ``memory_used`` (bytes),
        ``tasks`` by state, ``wanted`` (workers asked for), ``adaptive`` (bounds, or None) and
        ``idle_ends`` (Unix time at which the cluster is stopped; None: not as things are).
    """
    workers = list(scheduler.workers.values())
    service = _service(scheduler)
    return {
        "workers": len(workers),
        "cores": sum(one.nthreads for one in workers),
        "memory": sum(one.memory_limit for one in workers),
        "memory_used": sum(one.metrics.get("memory", 0) for one in workers),
        "tasks": _tasks(scheduler),
        "wanted": service.count if service else None,
        "adaptive": _adaptive(service),
        "idle_ends": _idle_ends(scheduler, service.idle_timeout if service else 0, now),
    }


def _service(scheduler: Any) -> Any:
    """Return dask-gateway's part of the scheduler; None in one that no gateway has started."""
    services = (getattr(one, "service", None) for one in scheduler.plugins.values())
    return next((one for one in services if hasattr(one, "idle_timeout")), None)


def _tasks(scheduler: Any) -> dict[str, int]:
    counted = dict.fromkeys(("waiting", "processing", "memory", "erred"), 0)
    for group in scheduler.task_groups.values():
        for state, number in group.states.items():
            # Both wait: for inputs, for a worker that fits, for room on a worker.
            name = "waiting" if state in ("no-worker", "queued") else state
            if name in counted:
                counted[name] += number
    return counted


def _adaptive(service: Any) -> dict[str, int | None] | None:
    if service is None or service.adapt_task is None:
        return None
    return {"minimum": service.minimum or 0, "maximum": service.maximum}


def _idle_ends(scheduler: Any, timeout: float, now: float) -> float | None:
    """Follow ``GatewaySchedulerService.check_idle`` (dask_gateway/scheduler_preload.py)."""
    busy = scheduler.unrunnable or any(one.processing for one in scheduler.workers.values())
    if not timeout or busy:
        return None
    log = scheduler.transition_log
    last = log[-1][-1] if log else scheduler.time_started
    return float(max(last + timeout, now))
