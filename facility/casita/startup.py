"""What backends add to kernels and Dask workers when these start.

``CASITA_KERNEL`` names their modules, each with a function ``install()``.  IPython loads this as an
extension (``etc/ipython/ipython_kernel_config.json``), Dask workers as a preload.
"""

from __future__ import annotations

import importlib
import logging
import os

logger = logging.getLogger("distributed.casita.startup")
VARIABLE = "CASITA_KERNEL"


def load_ipython_extension(shell: object) -> None:
    """Install all (called by IPython)."""
    install()


def dask_setup(worker: object) -> None:
    """Install all (called by dask)."""
    install()


def install() -> None:
    """Install what the facility's backends bring; one that fails leaves the others alone."""
    for name in filter(None, os.environ.get(VARIABLE, "").split(",")):
        try:
            importlib.import_module(name).install()
        except Exception:
            logger.exception("%s was not installed", name)
