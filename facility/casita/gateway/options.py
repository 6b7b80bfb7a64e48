"""What a user may choose for a cluster, and the commands that follow from it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from dask_gateway_server.options import Float, Integer, Options, Select, String

from casita.config.model import GatewayTable

GIB = 2**30
OWN = "casita"
"""Name of the facility's own environment."""
LABEL_LENGTH = 60


class Label(String):  # type: ignore[misc]
    """What people call a cluster: one line of text."""

    def validate(self, x: Any) -> str:
        """Return ``x`` without spaces around it.

        Raises
        ------
        TypeError
            It is no text.
        ValueError
            It is too long, or holds what can't be shown in a line.
        """
        if not isinstance(x, str):
            raise TypeError(f"a cluster's name is text, not {type(x).__name__}")
        text = x.strip()
        if len(text) > LABEL_LENGTH:
            raise ValueError(
                f"a cluster's name has at most {LABEL_LENGTH} characters, not {len(text)}"
            )
        if not text.isprintable():
            raise ValueError("a cluster's name is one line, without control characters")
        return text


LABEL = Label("label", label="Name")


def cluster_options(gateway: GatewayTable) -> Options:
    """Return the options form: name, cores and memory of a worker, Python environment."""

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
        LABEL,
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
        Whether casita is installed there.  If not, the guard of dashboards, the facts and the
        storage token come as files, which need nothing but dask, and nothing is done to start
        faster.
        (``--no-dashboard`` would be no way out: dask then still serves logs and task names to
        whoever asks.)
    """
    dask = str(environment / "bin" / "dask")
    # A worker's own pages can't be reached: the scheduler's show all that they do.
    worker = [dask, "worker", "--no-dashboard"]
    if not preloads:
        here = Path(__file__)
        guard = ["--preload", str(here.with_name("guard.py"))]
        facts = ["--preload", str(here.with_name("facts.py"))]
        bearer = ["--preload", str(here.with_name("bearer.py"))]
        return [dask, "scheduler", *guard, *facts, *bearer], [*worker, *guard, *bearer]
    guard = ["--preload", "casita.gateway.guard"]
    facts = ["--preload", "casita.gateway.facts"]
    late = ["--no-dashboard", "--preload", "casita.gateway.dashboard"]
    warm = ["--preload", "casita.gateway.warm"]
    bearer = ["--preload", "casita.gateway.bearer"]
    scheduler = [dask, "scheduler", *guard, *facts, *bearer, *late]
    startup = ["--preload", "casita.startup"]
    return scheduler, [*worker, *guard, *bearer, *startup, *warm]
