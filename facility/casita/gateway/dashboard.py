"""A dask preload: a scheduler works at once, and gets its dashboard's pages a moment later.

Loading bokeh takes half of a scheduler's start.  So it is started with ``--no-dashboard``, which
leaves its HTTP server (behind :mod:`casita.gateway.guard`) without bokeh's pages, and this adds
them as distributed itself does (``Scheduler.__init__`` in distributed/scheduler.py) when the first
workers have started.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from typing import Any

logger = logging.getLogger("distributed.casita.dashboard")
DELAY = 1.5
"""Seconds; before that, cores have schedulers and workers to start."""
_tasks = set[asyncio.Task[None]]()
"""Kept from the garbage collector while they run."""


async def dask_setup(scheduler: Any) -> None:
    """Start to load the pages."""
    task = asyncio.create_task(_add_pages(scheduler))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _add_pages(scheduler: Any) -> None:
    await asyncio.sleep(DELAY)
    try:
        pages = await asyncio.to_thread(importlib.import_module, "distributed.dashboard.scheduler")
        pages.connect(scheduler.http_application, scheduler.http_server, scheduler)
    except Exception:
        logger.exception("this cluster has no dashboard")
