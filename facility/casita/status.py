"""What runs, and how it is: the content of ``casita status``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from casita import supervisor
from casita.backend import Process
from casita.processes import processes
from casita.runtime import healthy
from casita.site import Site, open_site


@dataclass(frozen=True)
class ProcessStatus:
    """One line of ``casita status``."""

    name: str
    state: str
    pid: int | None
    port: int | None
    healthy: bool
    detail: str


@dataclass(frozen=True)
class Status:
    """A facility as it is now."""

    url: str
    profile: str
    state: Literal["up", "degraded", "down"]
    processes: list[ProcessStatus]

    def to_json(self) -> dict[str, Any]:
        """Return the documented shape of ``casita status --json``."""
        return asdict(self)


def status(state: Path) -> Status:
    """Return the status of the facility in ``state``.

    Raises
    ------
    StateError
        There has never been a facility in ``state``.
    """
    site = open_site(state)
    lines = [_line(process, found) for process, found in _found(site)]
    overall: Literal["up", "degraded", "down"] = "degraded"
    if all(line.healthy for line in lines):
        overall = "up"
    elif all(line.pid is None for line in lines):
        overall = "down"
    return Status(site.url, site.config.facility.profile, overall, lines)


def _found(site: Site) -> list[tuple[Process, supervisor.ProcessState | None]]:
    running = supervisor.states(site) if supervisor.daemon(site) else []
    by_name = {one.name: one for one in running}
    return [(process, by_name.get(process.name)) for process in processes(site)]


def _line(process: Process, found: supervisor.ProcessState | None) -> ProcessStatus:
    if found is None:
        return ProcessStatus(process.name, "stopped", None, process.port, False, "")
    good = found.state == "running" and healthy(process)
    detail = found.detail.split(", ", 1)[-1]
    if found.state == "running" and not good:
        detail = f"no answer at {process.health}"
    return ProcessStatus(process.name, found.state, found.pid, process.port, good, detail)
