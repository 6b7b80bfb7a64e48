"""Clusters, options and limits as they travel between gateway and clients."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["pending", "running", "stopping", "stopped", "failed"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Cluster(_Model):
    """One Dask cluster."""

    name: str
    status: Status
    workers: int | None = None
    """Workers that have registered; None where nobody could be asked."""
    cores: int | None = None
    """Cores of all workers."""
    memory: int | None = None
    """Memory of all workers, in bytes."""
    dashboard: str | None = None
    """URL for the owner's browser."""
    started: datetime
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def active(self) -> bool:
        """Whether it starts or runs."""
        return self.status in ("pending", "running")


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
