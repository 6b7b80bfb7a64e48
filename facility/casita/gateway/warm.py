"""A dask preload: import what every first task would wait for (``--preload casita.gateway.warm``).

coffea and numba take seconds to import.  A worker does it in a thread as soon as its siblings have
started, too, so the cluster is there as early as without, and the first task finds the modules
(almost) loaded.
"""

from __future__ import annotations

import importlib
import logging
import os
import threading

logger = logging.getLogger("distributed.casita.warm")
DELAY = 0.5
"""Seconds in which the workers that were asked for at the same time start."""


def dask_setup(worker: object) -> None:
    """Start importing the modules named by ``CASITA_PRELOAD`` (comma separated)."""
    names = [name for name in os.environ.get("CASITA_PRELOAD", "").split(",") if name]
    thread = threading.Timer(DELAY, _load, [names])
    thread.daemon = True
    thread.start()


def _load(names: list[str]) -> None:
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:
            # A module that is missing is the first task's business, with its own traceback.
            logger.warning("could not import %s ahead of the first task: %s", name, error)
