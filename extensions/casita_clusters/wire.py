"""What goes to Dask Gateway and what comes back: requests, and how answers are read.  Pure.

The clients (:mod:`casita_clusters.client`) only carry these to and fro, one with an event loop and
one without.  Wire format: dask_gateway_server/routes.py of dask-gateway 2026.3, plus what casita's
gateway (limits, logs, labels) and schedulers (``casita/*.json``) add.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, BeforeValidator

from casita.client import checked
from casita.errors import MissingError, ServiceError
from casita_clusters import engine
from casita_clusters.models import (
    Adaptive,
    Cluster,
    ClusterLogs,
    Environment,
    Limits,
    Option,
    Page,
    Status,
    Tasks,
)

Answer = TypeVar("Answer")
SHORT = 10.0
"""Seconds the gateway may take for what is asked again and again."""
SCHEDULER = 3.0
"""Seconds a scheduler may take, whose user's code may keep it busy."""
MEMORY_STEP = 16 * 2**20
"""Bytes; finer steps would change with every look."""


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """One request, and how its answer is read."""

    method: str
    path: str
    """Below the gateway's address."""
    read: Callable[[Any], Answer]
    """Makes of the answer's JSON what is wanted."""
    query: Mapping[str, str | int] = field(default_factory=dict)
    body: Any = None
    timeout: float | None = None
    """Seconds; None: the session's."""
    missing: MissingError | None = None
    """What it means that nothing is found."""

    def arguments(self, gateway: str) -> dict[str, Any]:
        """Return what ``build_request`` of an httpx client takes.

        Parameters
        ----------
        gateway
            Path of the gateway, e.g. ``/services/dask-gateway``.
        """
        return {
            "method": self.method,
            "url": gateway + self.path,
            "params": self.query or None,
            "json": self.body,
            **({} if self.timeout is None else {"timeout": self.timeout}),
        }

    def answer(self, response: httpx.Response) -> Answer:
        """Return what a response says.

        Raises
        ------
        MissingError
            There is no such cluster, or it is somebody else's.
        ServiceError
            Another error, with the gateway's sentence; or an answer that nobody understands.
        """
        if response.status_code == 404 and self.missing:
            raise self.missing
        content = checked(response)
        try:
            return self.read(content)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ServiceError(
                f"the gateway's answer to {self.path} is none that this casita understands",
                hint="do the facility and this environment have the same version of casita?",
            ) from error


# ---- the gateway's API


class Record(BaseModel):
    """A cluster as the gateway keeps it."""

    name: str
    status: Annotated[Status, BeforeValidator(str.lower)]
    start_time: int
    """Milliseconds since 1970."""
    stop_time: int | None = None
    options: dict[str, Any] | None = None
    dashboard_route: str | None = None

    @property
    def active(self) -> bool:
        """Whether it starts or runs."""
        return self.status in ("pending", "running")

    @property
    def running(self) -> bool:
        """Whether its scheduler can be asked."""
        return self.status == "running"

    def failed_since(self, moment: datetime) -> bool:
        """Whether it failed, and not before ``moment``."""
        ended = _time(self.stop_time if self.stop_time is not None else self.start_time)
        return self.status == "failed" and ended >= moment


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)


def _records(content: Mapping[str, Any]) -> list[Record]:
    found = [Record.model_validate(one) for one in content.values()]
    return sorted(found, key=lambda one: (one.start_time, one.name))


def clusters(*statuses: str) -> Call[list[Record]]:
    """Ask for the user's clusters in these states, oldest first."""
    query = {"status": ",".join(statuses)}
    return Call("GET", "/api/v1/clusters/", _records, query, timeout=SHORT)


def options() -> Call[list[Option]]:
    """Ask what can be chosen for a new cluster."""

    def read(content: Any) -> list[Option]:
        return [_option(one) for one in content["cluster_options"]]

    return Call("GET", "/api/v1/options", read)


def _option(spec: Mapping[str, Any]) -> Option:
    form = spec["spec"]
    return Option(
        field=spec["field"],
        label=spec["label"],
        default=spec["default"],
        type=form["type"],
        min=form.get("min"),
        max=form.get("max"),
        choices=form.get("options"),
    )


def limits() -> Call[Limits]:
    """Ask what the user has and may have."""
    return Call("GET", "/api/v1/limits", Limits.model_validate, timeout=SHORT)


def create(chosen: Mapping[str, Any]) -> Call[str]:
    """Ask for a new cluster; the answer is its name."""
    body = {"cluster_options": dict(chosen)}
    return Call("POST", "/api/v1/clusters/", lambda content: str(content["name"]), body=body)


def _of(
    name: str, method: str, read: Callable[[Any], Answer], what: str = "", **more: Any
) -> Call[Answer]:
    path = f"/api/v1/clusters/{quote(name, safe='')}{what}"
    return Call(method, path, read, missing=engine.missing(name), **more)


def cluster(name: str, *, wait: bool = False) -> Call[Record]:
    """Ask for one cluster; with ``wait`` the answer may take 20 s while it starts."""
    return _of(name, "GET", Record.model_validate, query={"wait": 1} if wait else {})


def rename(name: str, label: str) -> Call[Record]:
    """Ask to give a cluster a name for people."""
    return _of(name, "PATCH", Record.model_validate, body={"label": label})


def _remark(content: Any) -> str:
    return str((content or {}).get("msg") or "")


def scale(name: str, workers: int) -> Call[str]:
    """Ask for a number of workers; the answer is the gateway's remark, or ""."""
    return _of(name, "POST", _remark, "/scale", body={"count": workers})


def adapt(name: str, minimum: int, maximum: int | None, *, active: bool = True) -> Call[str]:
    """Ask that the number of workers follows the load, or no longer does."""
    body = {"minimum": minimum, "maximum": maximum, "active": active}
    return _of(name, "POST", _remark, "/adapt", body=body)


def stop(name: str) -> Call[None]:
    """Ask that a cluster stops; one that has stopped already is no error."""
    return _of(name, "DELETE", lambda content: None)


def logs(name: str, lines: int) -> Call[ClusterLogs]:
    """Ask for the end of every process's log, also of a cluster that failed."""
    return _of(name, "GET", ClusterLogs.model_validate, "/logs", query={"lines": lines})


# ---- schedulers


class Facts(BaseModel):
    """What a scheduler says of its cluster."""

    workers: int
    cores: int
    memory: int | None = None
    """Bytes, of all workers."""
    memory_used: int | None = None
    """Bytes."""
    tasks: Tasks | None = None
    wanted: int | None = None
    adaptive: Adaptive | None = None
    idle_ends: datetime | None = None


class Packages(BaseModel):
    """The Python environment of a scheduler."""

    prefix: str
    python: str
    packages: dict[str, str]
    """Version by name."""

    def compared(self, prefix: str, here: Mapping[str, str]) -> Environment:
        """Return how it compares with another one.

        Parameters
        ----------
        prefix, here
            ``sys.prefix`` and the versions by name of the other one, "python" among them.
        """
        if self.prefix == prefix:
            return Environment(shared=True)
        there = {**self.packages, "python": self.python}
        return Environment(shared=False, differences=engine.differences(here, there))


def _ask(name: str, path: str, read: Callable[[Any], Answer]) -> Call[Answer]:
    whole = f"/clusters/{quote(name, safe='')}/{path}"
    missing = MissingError(
        f"there is no cluster {name!r}, or its scheduler does not tell this",
        hint="does it run? One made by an older casita must be made anew",
    )
    return Call("GET", whole, read, timeout=SCHEDULER, missing=missing)


def facts(name: str) -> Call[Facts]:
    """Ask a scheduler about its cluster."""
    return _ask(name, "casita/facts.json", Facts.model_validate)


def counts(name: str) -> Call[Facts]:
    """Ask a scheduler that casita's preload is not in; distributed tells less."""

    def read(content: Any) -> Facts:
        tasks = Tasks.model_validate(content)
        return Facts(workers=content["workers"], cores=content["cores"], tasks=tasks)

    return _ask(name, "json/counts.json", read)


def packages(name: str) -> Call[Packages]:
    """Ask a scheduler for its Python environment."""
    return _ask(name, "casita/packages.json", Packages.model_validate)


def pages(name: str) -> Call[Sequence[Page]]:
    """Ask a scheduler for the pages of its dashboard; none while they are being loaded."""
    return _ask(name, "individual-plots.json", lambda plots: engine.pages(plots.values()))


# ---- both together


def merged(record: Record, known: Facts | None, gateway: str) -> Cluster:
    """Return a cluster from what the gateway and its scheduler say.

    Parameters
    ----------
    known
        None where the scheduler could not be asked.
    gateway
        Public URL of the gateway.
    """
    chosen = dict(record.options or {})
    label = str(chosen.pop("label", ""))
    workers = known.workers if known else None
    cores, memory = engine.sizes(chosen, workers)
    more: dict[str, Any] = {}
    if known:
        more = known.model_dump(include={"wanted", "adaptive", "tasks"})
        more["idle_ends"] = known.idle_ends and known.idle_ends.replace(microsecond=0)
        cores = known.cores
        memory = memory if known.memory is None else known.memory
        if known.memory_used is not None:
            more["memory_used"] = round(known.memory_used / MEMORY_STEP) * MEMORY_STEP
    route = record.dashboard_route
    return Cluster(
        name=record.name,
        label=label,
        status=record.status,
        workers=workers,
        cores=cores,
        memory=memory,
        dashboard=f"{gateway}{route}" if route else None,
        started=_time(record.start_time),
        options=chosen,
        **more,
    )
