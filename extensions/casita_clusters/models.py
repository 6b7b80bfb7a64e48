"""Clusters as they travel between gateway, clients, Jupyter server and Lab panel.

The panel's TypeScript types (extensions/lab/src/clusters/models.ts) are made from these classes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from casita.jupyter.models import SectionState

Status = Literal["pending", "running", "stopping", "stopped", "failed"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Adaptive(_Model):
    """Bounds between which the number of workers follows the load."""

    minimum: int = Field(ge=0)
    maximum: int | None = Field(default=None, ge=0)
    """None: as many as the user may have."""


class Tasks(_Model):
    """Tasks a scheduler holds, by state (distributed's names)."""

    waiting: int
    """Their inputs are not there yet, or no worker is."""
    processing: int
    memory: int
    """Done, with their results kept on the workers."""
    erred: int


class Cluster(_Model):
    """One Dask cluster."""

    name: str
    label: str = ""
    """What its owner calls it, or ""."""
    status: Status
    workers: int | None = None
    """Workers that have registered; None where nobody could be asked."""
    wanted: int | None = None
    """Workers asked for, by hand or by the load."""
    adaptive: Adaptive | None = None
    """None while the number of workers is set by hand."""
    cores: int | None = None
    """Cores of all workers."""
    memory: int | None = None
    """Memory of all workers, in bytes."""
    memory_used: int | None = None
    """Bytes the workers' processes hold, in steps of 16 MiB."""
    tasks: Tasks | None = None
    dashboard: str | None = None
    """URL for the owner's browser."""
    started: datetime
    idle_ends: datetime | None = None
    """When it is stopped unless it gets work; None while it works or where that never happens."""
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def active(self) -> bool:
        """Whether it starts or runs."""
        return self.status in ("pending", "running")

    @property
    def busy(self) -> bool:
        """Whether tasks run or wait."""
        return self.tasks is not None and bool(self.tasks.processing or self.tasks.waiting)


class Option(_Model):
    """One choice a user has when a cluster is made."""

    field: str
    label: str
    default: Any
    type: str
    """int, float, bool, string, select or mapping"""
    min: float | None = None
    max: float | None = None
    choices: list[str] | None = None


class Limit(_Model):
    """How much of something a user has, and may have."""

    used: int
    limit: int


class Limits(_Model):
    """What a user may have at a time, over all clusters."""

    clusters: Limit
    cores: Limit
    memory: Limit
    """Bytes."""


class ProcessLog(_Model):
    """The end of one process's log."""

    process: str
    """scheduler, or worker-NAME"""
    text: str


class ClusterLogs(_Model):
    """The logs of a cluster, running or failed."""

    logs: list[ProcessLog]
    status: str
    reason: str = ""
    """Why it failed, or ""."""


class Failure(_Model):
    """A cluster that failed, and all that is known of why."""

    name: str
    label: str = ""
    started: datetime
    reason: str
    process: str = ""
    """Whose log ``tail`` is, or ""."""
    tail: str = ""
    """The last lines of the log that is likeliest to tell."""
    hint: str = ""


class Overview(SectionState):
    """All that the panel shows."""

    clusters: list[Cluster] = Field(default_factory=list)
    """Those that start or run, oldest first."""
    failures: list[Failure] = Field(default_factory=list)
    """Those of the last hour, newest first."""
    limits: Limits | None = None


class ClusterForm(_Model):
    """What can be chosen for a new cluster, and what its user has already."""

    options: list[Option]
    limits: Limits | None = None


class NewCluster(_Model):
    """A request for a cluster."""

    options: dict[str, Any] = Field(default_factory=dict)
    workers: int = Field(default=0, ge=0)
    adaptive: Adaptive | None = None


class Scale(_Model):
    """A number of workers, set by hand."""

    workers: int = Field(ge=0)


class Rename(_Model):
    """What a cluster shall be called."""

    label: str = Field(max_length=60)


class Page(_Model):
    """One page of a cluster's dashboard."""

    title: str
    path: str
    """Below ``/casita/clusters/NAME/dashboard/``."""


class LogLines(_Model):
    """One event of a log that is followed."""

    process: str
    """scheduler, or worker-NAME"""
    text: str
    """New lines, without the last line's end."""


class Difference(_Model):
    """A package that is not the same here and on a cluster."""

    package: str
    here: str
    """Version of the notebook."""
    there: str | None
    """Version of the cluster; None: it has none."""


class Environment(_Model):
    """How a cluster's Python environment compares with the notebook's."""

    shared: bool
    """Whether both are one and the same folder."""
    differences: list[Difference] = Field(default_factory=list)
