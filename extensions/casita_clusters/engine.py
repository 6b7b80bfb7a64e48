"""What can be said of clusters without asking anybody.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from casita.errors import CasitaError, MissingError
from casita_clusters.models import (
    Cluster,
    ClusterLogs,
    Difference,
    Failure,
    Limits,
    NewCluster,
    Option,
    Page,
)

HINTS = (
    (r"exceeded (\d+%|95%).*memory budget|MemoryError|std::bad_alloc|Killed",
     "a worker ran out of memory: take more worker_memory, or smaller chunks"),
    (r"No module named '?([\w.]+)'?",
     "a module is missing on the cluster: choose the environment that has it"),
    (r"No such file or directory: '?([^'\n]*bin/dask)|bin/dask: not found",
     "the environment has no dask: ask the operator to look at [gateway.environments]"),
    (r"[Vv]ersion mismatch|unsupported pickle protocol",
     "notebook and cluster have different versions: choose the same environment for both"),
    (r"No space left on device", "the disk is full: remove what you don't need"),
    (r"Permission denied", "the cluster may not read or write a file that it needs"),
)  # fmt: skip
"""Patterns in a log, most telling first, and what to do."""
NO_REASON = "the gateway gives no reason"
PAGES = {
    "individual-task-stream": "Task stream",
    "individual-progress": "Progress",
    "individual-workers-memory": "Memory of workers",
    "individual-cluster-memory": "Memory of the cluster",
    "individual-cpu": "CPU of workers",
    "individual-nprocessing": "Tasks of workers",
    "individual-workers": "Workers",
    "individual-graph": "Task graph",
    "individual-groups": "Task groups",
    "individual-group-progress": "Progress of task groups",
    "individual-profile": "Profile",
    "statics/individual-cluster-map.html": "Cluster map",
    "individual-workers-cpu-timeseries": "CPU over time",
    "individual-workers-memory-timeseries": "Memory over time",
    "individual-workers-network-timeseries": "Network over time",
    "individual-workers-disk-timeseries": "Disk over time",
    "individual-workers-network": "Network of workers",
    "individual-workers-disk": "Disk of workers",
    "individual-workers-transfer-bytes": "Transfers of workers",
}
"""Single plots of a dashboard by path, the useful ones first."""
WHOLE_PAGES = {
    "status": "Status (whole page)",
    "workers": "Workers (whole page)",
    "tasks": "Tasks (whole page)",
    "system": "System (whole page)",
    "profile": "Profile (whole page)",
    "graph": "Graph (whole page)",
}
"""Not the tables below ``info/``: they load their looks from elsewhere, which is not allowed."""
BROKEN_PAGES = {"individual-compute-time-per-key"}
"""distributed 2026.8 puts a function in it, which bokeh 3.9 can't send."""
LAST_PAGES = ("gpu", "rmm")
"""Of little use to most: by a word of their paths."""
ACRONYMS = ("cpu", "gpu", "rmm")


def hint(logs: ClusterLogs) -> str:
    """Return what to do about a failure, or "" if the logs don't tell."""
    text = "\n".join([logs.reason, *(one.text for one in logs.logs)])
    return next((advice for pattern, advice in HINTS if re.search(pattern, text)), "")


def telling_log(logs: ClusterLogs, lines: int = 12) -> tuple[str, str]:
    """Return (process, last lines) of the log that is likeliest to tell of a failure."""
    ends = [one for one in logs.logs if one.text.strip()]
    if not ends:
        return "", ""
    # Workers fail for reasons of their own; otherwise the scheduler's log tells.
    wanted = "worker" if "workers in a row" in logs.reason else "scheduler"
    log = next((one for one in ends if one.process.startswith(wanted)), ends[0])
    return log.process, "\n".join(log.text.splitlines()[-lines:])


def failure(name: str, logs: ClusterLogs) -> str:
    """Return why a cluster failed, with the tail of the log that is likeliest to tell."""
    said = f"cluster {name} failed: {logs.reason or NO_REASON}"
    process, tail = telling_log(logs)
    return f"{said}; the end of its {process} log:\n{tail}" if process else said


def failed(cluster: Cluster, logs: ClusterLogs) -> Failure:
    """Return the same for a panel."""
    process, tail = telling_log(logs)
    return Failure(
        name=cluster.name,
        label=cluster.label,
        started=cluster.started,
        reason=logs.reason or NO_REASON,
        process=process,
        tail=tail,
        hint=hint(logs),
    )


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
    """Return the cluster of this name or label, or the only one whose name or label starts so.

    Raises
    ------
    CasitaError
        None or several fit, or none is named.
    """
    clusters = list(clusters)
    if not name:  # a shell variable that is not set must not mean "the only one"
        raise CasitaError(
            "no cluster is named", hint=f"there are: {titles(clusters) or 'you have none'}"
        )
    for found in (
        [one for one in clusters if one.name == name],
        [one for one in clusters if one.label == name],
        [one for one in clusters if one.name.startswith(name) or one.label.startswith(name)],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            raise CasitaError(
                f"several clusters are called {name}...", hint=f"one of: {titles(found)}"
            )
    raise missing(name)


def missing(name: str) -> MissingError:
    """Return the error that says that a user has no such cluster."""
    return MissingError(f"you have no cluster {name!r}", hint="`casita clusters list` shows yours")


def titles(clusters: Iterable[Cluster]) -> str:
    """Return clusters by name and label, for people."""
    return ", ".join(f"{one.name} ({one.label})" if one.label else one.name for one in clusters)


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
        *whole, last = before[grown:]
        size = len(whole)
        if list(now[:size]) == whole and len(now) > size and now[size].startswith(last):
            # The last line may have been read while it was written.
            return now[size + 1 :] if now[size] == last else now[size:]
    return now


def room(wish: NewCluster, known: Iterable[Option], limits: Limits) -> str:
    """Return why a cluster can't start with as many workers as wished, or "".

    The gateway has the last word; this says it before a cluster is made for nothing.
    """
    chosen = {one.field: one.default for one in known} | wish.options
    try:
        cores, memory = sizes(chosen, 1)
    except (TypeError, ValueError):
        return ""  # no numbers: the gateway will say so
    left = (
        (limits.cores.limit - limits.cores.used) // max(cores or 1, 1),
        (limits.memory.limit - limits.memory.used) // max(memory or 1, 1),
    )
    most = max(0, min(left))
    wanted = wish.adaptive.minimum if wish.adaptive else wish.workers
    if wanted <= most:
        return ""
    return (
        f"{wanted} workers are more than you may have: your clusters use {limits.cores.used} of "
        f"{limits.cores.limit} cores and {limits.memory.used / 2**30:.4g} of "
        f"{limits.memory.limit / 2**30:.4g} GiB; take at most {most}, or stop another cluster"
    )


def pages(paths: Iterable[str]) -> list[Page]:
    """Return the pages of a dashboard, the useful ones first.

    Parameters
    ----------
    paths
        Its single plots, as ``individual-plots.json`` lists them; none while they are loaded.
    """
    found = [one.lstrip("/") for one in paths]
    if not found:
        return []
    known = [one for one in PAGES if one in found]
    others = sorted(set(found) - set(PAGES) - BROKEN_PAGES)
    rare = [one for one in others if set(LAST_PAGES) & set(one.split("-"))]
    ordered = [*known, *WHOLE_PAGES, *(one for one in others if one not in rare), *rare]
    titles = PAGES | WHOLE_PAGES
    return [Page(title=titles.get(one) or _page_title(one), path=one) for one in ordered]


def _page_title(path: str) -> str:
    """Return ``"Scheduler system"`` for ``"individual-scheduler-system"``."""
    words = path.removeprefix("individual-").split("-")
    text = " ".join(one.upper() if one in ACRONYMS else one for one in words)
    return text[:1].upper() + text[1:]


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> list[Difference]:
    """Return which packages of an environment are missing or not the same in another one.

    Parameters
    ----------
    here, there
        Versions by name, however the names are spelled.
    """
    remote = {_package(name): version for name, version in there.items()}
    local = {_package(name): version for name, version in here.items()}
    return [
        Difference(package=name, here=version, there=remote.get(name))
        for name, version in sorted(local.items())
        if remote.get(name) != version
    ]


def _package(name: str) -> str:
    """Return the name of a package as the index has it."""
    return re.sub(r"[-_.]+", "-", name).lower()
