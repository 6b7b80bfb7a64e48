"""What a user may have at a time, over all clusters.  Pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from casita.units import format_size


@dataclass(frozen=True)
class Share:
    """Workers of one kind that a user has: those of one cluster."""

    cluster: str
    workers: int
    cores: int
    """Cores of one worker."""
    memory: int
    """Bytes of one worker."""


@dataclass(frozen=True)
class Limits:
    """What a user may have."""

    clusters: int
    cores: int
    memory: int
    """Bytes."""


@dataclass(frozen=True)
class Usage:
    """What a user has."""

    clusters: int
    cores: int
    memory: int
    """Bytes."""


def usage(shares: Iterable[Share]) -> Usage:
    """Return the sum over a user's clusters."""
    held = list(shares)
    return Usage(
        clusters=len(held),
        cores=sum(one.workers * one.cores for one in held),
        memory=sum(one.workers * one.memory for one in held),
    )


def most_workers(limits: Limits, others: Usage, cores: int, memory: int) -> int:
    """Return how many workers of ``cores`` and ``memory`` bytes fit beside the other clusters."""
    return max(
        0, min((limits.cores - others.cores) // cores, (limits.memory - others.memory) // memory)
    )


def refuse_cluster(limits: Limits, now: Usage) -> str:
    """Return why no further cluster may be made, or ""."""
    if now.clusters < limits.clusters:
        return ""
    return (
        f"you have {now.clusters} of {limits.clusters} clusters: stop one before you start another"
    )


def refuse_workers(wanted: int, limits: Limits, others: Usage, cores: int, memory: int) -> str:
    """Return why a cluster can't have ``wanted`` workers, or ""."""
    most = most_workers(limits, others, cores, memory)
    if wanted <= most:
        return ""
    return (
        f"{wanted} workers of {_cores(cores)} and {format_size(memory)} are more than you may "
        f"have: your other clusters use {others.cores} of {limits.cores} cores and "
        f"{format_size(others.memory)} of {format_size(limits.memory)}; "
        f"scale to at most {most}, or stop another cluster"
    )


def _cores(number: int) -> str:
    return "1 core" if number == 1 else f"{number} cores"


def report(limits: Limits, now: Usage) -> dict[str, Any]:
    """Return the wire form: ``{"clusters": {"used", "limit"}, "cores": ..., "memory": ...}``."""
    used = asdict(now)
    return {name: {"used": used[name], "limit": limit} for name, limit in asdict(limits).items()}
