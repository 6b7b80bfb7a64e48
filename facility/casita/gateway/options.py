"""What a user may choose for a cluster, and the commands that follow from it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from dask_gateway_server.options import Float, Integer, Options, Select

from casita.config.model import GatewayTable

GIB = 2**30
OWN = "casita"
"""Name of the facility's own environment."""


def cluster_options(gateway: GatewayTable) -> Options:
    """Return the options form: cores and memory of a worker, Python environment."""

    def configuration(options: Any) -> dict[str, Any]:
        scheduler, worker = options.environment
        return {
            "worker_cores": options.worker_cores,
            "worker_memory": int(options.worker_memory * GIB),
            "scheduler_cmd": scheduler,
            "worker_cmd": worker,
        }

    environments = {OWN: commands(Path(sys.prefix), preloads=True)}
    for name, folder in gateway.environments.items():
        environments[name] = commands(folder, preloads=False)
    return Options(
        Integer(
            "worker_cores",
            default=gateway.worker_cores,
            min=1,
            max=gateway.worker_cores_max,
            label="Cores of a worker",
        ),
        Float(
            "worker_memory",
            default=gateway.worker_memory / GIB,
            min=0.25,
            max=gateway.worker_memory_max / GIB,
            label="Memory of a worker (GiB)",
        ),
        Select("environment", list(environments.items()), default=OWN, label="Python environment"),
        handler=configuration,
    )


def commands(environment: Path, *, preloads: bool) -> tuple[list[str], list[str]]:
    """Return (scheduler command, worker command) of a Python environment.

    Parameters
    ----------
    environment
        The folder that holds ``bin/dask``.
    preloads
        Whether casita is installed there.  If not, the guard of dashboards comes as a file, which
        needs nothing but dask, and nothing is done to start faster.  (``--no-dashboard`` would be
        no way out: dask then still serves logs and task names to whoever asks.)
    """
    dask = str(environment / "bin" / "dask")
    # A worker's own pages can't be reached: the scheduler's show all that they do.
    worker = [dask, "worker", "--no-dashboard"]
    if not preloads:
        guard = ["--preload", str(Path(__file__).with_name("guard.py"))]
        return [dask, "scheduler", *guard], [*worker, *guard]
    guard = ["--preload", "casita.gateway.guard"]
    late = ["--no-dashboard", "--preload", "casita.gateway.dashboard"]
    warm = ["--preload", "casita.gateway.warm"]
    return [dask, "scheduler", *guard, *late], [*worker, *guard, *warm]
