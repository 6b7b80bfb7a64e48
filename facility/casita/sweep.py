"""Finds and ends every process that belongs to a facility, whoever started it.

Everything a facility starts, down to kernels and Dask workers, inherits ``CASITA_INSTANCE``; the
facility's own processes also carry ``CASITA_PROCESS``.  So what is left after a ``kill -9`` can be
told from everybody else's processes by pid and environment, never by name.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Belonging:
    """A process of a facility."""

    process: psutil.Process
    service: str
    """Name of the facility's process it is (part of), or "" for a user's server or cluster."""


def belongings(instance: str) -> list[Belonging]:
    """Return all live processes of the facility ``instance``, without the calling one."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            environment = process.environ()
            mine = environment.get("CASITA_INSTANCE") == instance
            if mine and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(Belonging(process, environment.get("CASITA_PROCESS", "")))
    return found


def end(processes: list[psutil.Process], patience: float = 10.0) -> int:
    """End processes: SIGTERM, then SIGKILL for those that live longer than ``patience`` seconds.

    Returns
    -------
    int
        How many there were.
    """
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=patience)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=5)
    return len(processes)
