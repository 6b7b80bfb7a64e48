"""What can be said of clusters without asking anybody.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from casita.errors import CasitaError
from casita_clusters.models import Cluster, ClusterLogs, Limits, Option

HINTS = (
    (r"exceeded (\d+%|95%).*memory budget|MemoryError|std::bad_alloc|Killed",
     "a worker ran out of memory: take more worker_memory, or smaller chunks"),
    (r"No module named '?([\w.]+)'?",
     "a module is missing on the cluster: choose the environment that has it"),
    (r"No such file or directory: '?([^'\n]*bin/dask)",
     "the environment has no dask: ask the operator to look at [gateway.environments]"),
    (r"[Vv]ersion mismatch|unsupported pickle protocol",
     "notebook and cluster have different versions: choose the same environment for both"),
    (r"No space left on device", "the disk is full: remove what you don't need"),
    (r"Permission denied", "the cluster may not read or write a file that it needs"),
)  # fmt: skip
"""Patterns in a log, most telling first, and what to do."""


def hint(logs: ClusterLogs) -> str:
    """Return what to do about a failure, or "" if the logs don't tell."""
    text = "\n".join([logs.reason, *(one.text for one in logs.logs)])
    return next((advice for pattern, advice in HINTS if re.search(pattern, text)), "")


def failure(name: str, logs: ClusterLogs, lines: int = 12) -> str:
    """Return why a cluster failed, with the tail of the log that is likeliest to tell."""
    reason = logs.reason or "the gateway gives no reason"
    ends = [one for one in logs.logs if one.text.strip()]
    if not ends:
        return f"cluster {name} failed: {reason}"
    # Workers fail for reasons of their own; otherwise the scheduler's log tells.
    wanted = "worker" if "workers in a row" in reason else "scheduler"
    log = next((one for one in ends if one.process.startswith(wanted)), ends[0])
    tail = "\n".join(log.text.splitlines()[-lines:])
    return f"cluster {name} failed: {reason}; the end of its {log.process} log:\n{tail}"


def parse_options(given: Iterable[str], known: Iterable[Option]) -> dict[str, Any]:
    """Return ``worker_cores=2`` and the like as the gateway wants them.

    Raises
    ------
    CasitaError
        No ``=``, an unknown option, or a value of the wrong type.
    """
    by_name = {option.field: option for option in known}
    parsed: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name not in by_name:
            raise CasitaError(
                f"{text!r} is no cluster option",
                hint=f"write NAME=VALUE; there are: {', '.join(by_name)}",
            )
        parsed[name] = _typed(by_name[name], value)
    return parsed


def _typed(option: Option, value: str) -> Any:
    try:
        if option.type == "int":
            return int(value)
        if option.type == "float":
            return float(value)
    except ValueError:
        raise CasitaError(
            f"{option.field} is {value!r}", hint=f"write a number (type {option.type})"
        ) from None
    if option.type == "bool":
        return value.lower() in ("true", "yes", "1")
    return value


def parse_range(text: str) -> tuple[int, int]:
    """Return (minimum, maximum) of ``"0:4"``.

    Raises
    ------
    CasitaError
        It is no such range.
    """
    match = re.fullmatch(r"(\d+):(\d+)", text)
    if match is None or int(match[1]) > int(match[2]):
        raise CasitaError(f"{text!r} is no range of workers", hint='write MIN:MAX, e.g. "0:4"')
    return int(match[1]), int(match[2])


def pick(clusters: Iterable[Cluster], name: str) -> Cluster:
    """Return the cluster with this name or the only one whose name starts so.

    Raises
    ------
    CasitaError
        None or several fit, or none is named.
    """
    clusters = list(clusters)
    if not name:  # a shell variable that is not set must not mean "the only one"
        names = ", ".join(one.name for one in clusters) or "you have none"
        raise CasitaError("no cluster is named", hint=f"there are: {names}")
    found = [one for one in clusters if one.name.startswith(name)]
    if exact := [one for one in found if one.name == name]:
        return exact[0]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(one.name for one in found)
        raise CasitaError(f"several clusters are called {name}...", hint=f"one of: {names}")
    raise CasitaError(f"you have no cluster {name!r}", hint="`casita clusters list` shows yours")


def age(started: datetime, now: datetime) -> str:
    """Return how long ago, for people: ``"12 s"``, ``"5 min"``, ``"3 h"``, ``"2 d"``."""
    seconds = max(0, int((now - started).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def sizes(options: Mapping[str, Any], workers: int | None) -> tuple[int | None, int | None]:
    """Return (cores, bytes) of all workers, from a cluster's options."""
    if workers is None:
        return None, None
    cores = int(options.get("worker_cores", 1))
    memory = int(float(options.get("worker_memory", 0)) * 2**30)
    return workers * cores, workers * memory


def most_workers(cluster: Cluster, limits: Limits) -> int:
    """Return how many workers of a cluster's kind a user may have, were it their only one."""
    cores, memory = sizes(cluster.options, 1)
    return min(limits.cores.limit // (cores or 1), limits.memory.limit // (memory or 1))


def new_lines(before: Sequence[str], now: Sequence[str]) -> Sequence[str]:
    """Return what came to the end of a log since the last look.

    Parameters
    ----------
    before, now
        The last lines of the log, as many as there are up to the same number.
    """
    # The log grew by so many lines as make the rest of the old window fit the new one.
    for grown in range(len(before)):
        kept = before[grown:]
        if list(now[: len(kept)]) == list(kept):
            return now[len(kept) :]
    return now
