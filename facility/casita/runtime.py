"""A facility's life on one machine: up, down, restart.

``up`` may find anything: nothing, a running facility, or what a ``kill -9`` left.  Services left
without their supervisor are ended and started anew; users' servers and clusters are left alone,
since the hub and the gateway take them over again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil

from casita import supervisor, sweep
from casita.backend import Process
from casita.config import FacilityConfig
from casita.errors import CasitaError, ProcessError, StateError
from casita.files import closed_to_others, own_directory, read_json, tail, write_atomic
from casita.processes import generated_files, processes, rules_file
from casita.site import Site, make_directories, open_site, prepare
from casita.units import format_size

PYTHON = (Path(sys.prefix), Path(sys.executable))
"""What users' processes need to enter, besides their own folders."""
SPACE_NEEDED = 200 * 2**20
"""Bytes that must be free before a facility starts."""

Report = Callable[[str], None]
"""Receives one line about what happens, for a person."""


@dataclass(frozen=True)
class Started:
    """What ``up`` did."""

    site: Site
    seconds: float
    cleaned: int
    """Left-over services of an earlier run that were ended."""
    adopted: int
    """Users' processes (servers, clusters) that were left running."""


def up(
    config: FacilityConfig, state: Path, *, allow_root: bool = False, report: Report = print
) -> Started:
    """Start a facility and wait until all its processes are ready.

    Parameters
    ----------
    allow_root
        Let the embedded profile run as root; see :func:`check_profile`.

    Raises
    ------
    StateError
        Already up; no space; a busy port; a state directory that can't be used.
    ProcessError
        A process did not become ready; the message holds its log's tail.
    """
    began = time.monotonic()
    check_profile(config, allow_root=allow_root)
    state = make_directories(state)
    with _lock(state):
        # Before anything is written: the one that runs goes on with its own configuration.
        _refuse_second(Site(config, state, ports={}, backends={}))
        site = prepare(config, state)
        _check_space(site)
        _check_open_to_users(site)
        cleaned, adopted = _clear_leftovers(site, report)
        site = _check_ports(site, report)
        _write_files(site)
        report("starting " + ", ".join(process.name for process in processes(site)))
        supervisor.start(site, processes(site))
        try:
            wait_ready(site, report)
        except CasitaError:
            supervisor.shutdown(site, patience=30)
            raise
    return Started(site, time.monotonic() - began, cleaned, adopted)


def check_profile(config: FacilityConfig, *, allow_root: bool) -> None:
    """Refuse a profile that would be unsafe or can't work for this uid.

    Raises
    ------
    StateError
        With the reason and the remedy.
    """
    root = os.getuid() == 0
    if config.multiuser and not root:
        raise StateError(
            "the multiuser profile starts each user's processes under their own account, "
            "which only root can do",
            hint="run it as root, or take the embedded profile",
        )
    if root and not config.multiuser and not allow_root:
        raise StateError(
            "the embedded profile runs notebooks under your own account, and you are root: "
            "any notebook could change the whole machine",
            hint="run it as an ordinary user, or say --allow-root on a machine where that is fine",
        )


def down(state: Path, report: Report = print) -> int:
    """Stop everything: the services, users' servers and kernels, clusters and their folders.

    Returns
    -------
    int
        How many users' processes were ended besides the services.

    Raises
    ------
    StateError
        There is no facility in ``state``.
    """
    site = open_site(state)
    if supervisor.daemon(site):
        report("stopping the services")
        supervisor.shutdown(site, patience=10 + max(p.stop_within for p in processes(site)))
    left = sweep.belongings(site.instance)
    users = [one.process for one in left if not one.service]
    if users:
        report(f"stopping {len(users)} processes of users' servers and clusters")
    sweep.end([one.process for one in left])
    for folder in (site.clusters, site.runtime):
        shutil.rmtree(folder, ignore_errors=True)
    return len(users)


def restart(state: Path, name: str | None = None, report: Report = print) -> Site:
    """Restart one process, or all of them; users' servers and clusters go on.

    Raises
    ------
    StateError
        No facility runs there.
    ProcessError
        A process does not exist or did not become ready.
    """
    site = open_site(state)
    with _lock(site.state):
        _write_files(site)
        known = [state.name for state in supervisor.states(site)]
        ordered = [p.name for p in processes(site) if p.name in known]
        for one in [name] if name else ordered:
            report(f"restarting {one}")
            supervisor.restart(site, one)
        wait_ready(site, report)
    return site


# ---- what has to hold before the start


@contextmanager
def _lock(state: Path) -> Iterator[None]:
    with (state / "run" / "lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StateError(
                f"another casita command is starting or restarting {state}",
                hint="wait for it, then look with `casita status`",
            ) from None
        yield


def _refuse_second(site: Site) -> None:
    if supervisor.daemon(site):
        url = read_json(site.state / "site.json", {}).get("url", "")
        raise StateError(
            f"a facility is already up in {site.state}: {url}",
            hint="`casita status` looks at it, `casita down` stops it",
        )


def _check_space(site: Site) -> None:
    free = shutil.disk_usage(site.state).free
    if free < SPACE_NEEDED:
        raise StateError(
            f"{site.state}: only {format_size(free)} free, {format_size(SPACE_NEEDED)} needed",
            hint="free some space or choose another disk with --state DIR",
        )


def _check_open_to_users(site: Site) -> None:
    if not site.config.multiuser:
        return
    if closed := closed_to_others(*PYTHON):
        raise StateError(
            f"users of the multiuser profile can't run this Python ({sys.prefix}): "
            f"{closed} is closed to them",
            hint="install casita below a folder that everybody may enter, e.g. /opt/casita",
        )
    if closed := closed_to_others(site.clusters.parent):
        raise StateError(
            f"users can't reach their clusters' folders in {site.clusters}: "
            f"{closed} is closed to them",
            hint="choose a state directory in a folder that everybody may enter: "
            "--state /var/lib/casita",
        )


def _clear_leftovers(site: Site, report: Report) -> tuple[int, int]:
    left = sweep.belongings(site.instance)
    services = [one.process for one in left if one.service]
    users = len(left) - len(services)
    if services:
        report(f"ending {len(services)} processes that an earlier run left without supervisor")
        sweep.end(services)
    if users:
        report(f"{users} processes of users' servers and clusters go on")
    return len(services), users


def _check_ports(site: Site, report: Report) -> Site:
    """Refuse a busy port that was asked for; choose anew where any port will do."""
    fixed = {
        "public": ("facility.port", site.config.facility.port),
        "traffic": ("gateway.port", site.config.gateway.port),
    }
    busy = [name for name, port in site.ports.items() if not _port_is_free(port)]
    for name in busy:
        key, port = fixed.get(name, ("", 0))
        if port:
            raise StateError(
                f"port {port} ({key}) is in use{_holder(port)}",
                hint=f"stop that program, or choose another port ({key} = 0 takes a free one)",
            )
    if not busy:
        return site
    report(f"ports taken by others since the last run: choosing new ones for {', '.join(busy)}")
    return prepare(site.config, site.state, forget_ports=busy)


def _port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass
    return ""


def _write_files(site: Site) -> None:
    for name, content in generated_files(site).items():
        write_atomic(site.etc / name, content)
    rules_file(site).touch(mode=0o600)
    # Users walk through this folder to their own clusters, but can't list it.
    own_directory(site.clusters, 0o711 if site.config.multiuser else 0o700)
    site.make_runtime()


# ---- readiness


def wait_ready(site: Site, report: Report = print) -> None:
    """Wait until every process is healthy.

    Raises
    ------
    ProcessError
        One died for good or did not answer in time.
    """
    began = time.monotonic()
    waiting = {process.name: process for process in processes(site)}
    while waiting:
        states = {one.name: one for one in supervisor.states(site)}
        for name, process in list(waiting.items()):
            state = states[name]
            elapsed = time.monotonic() - began
            if state.state == "running" and healthy(process):
                report(f"{name} is ready ({elapsed:.1f} s)")
                del waiting[name]
            elif state.state == "fatal" or elapsed > process.ready_within:
                raise _not_ready(site, process, state, elapsed)
        time.sleep(0.1)


def healthy(process: Process) -> bool:
    """Whether a process answers its health check now; true if it has none."""
    if not process.health:
        return True
    try:
        if process.health.startswith("root:"):
            return _speaks_xrootd(process.health)
        # No secret is sent, and the certificate may name another host than 127.0.0.1.
        answer = httpx.get(process.health, timeout=5, trust_env=False, verify=False)
        return answer.status_code < 400
    except (httpx.HTTPError, OSError):
        return False


def _speaks_xrootd(url: str) -> bool:
    """Whether an XRootD server answers the handshake (XRootD Protocol 5.1.0, section 2.2)."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port or 1094), timeout=5) as there:
        there.sendall(struct.pack(">5i", 0, 0, 0, 4, 2012))
        return len(there.recv(16)) > 0


def _not_ready(
    site: Site, process: Process, state: supervisor.ProcessState, elapsed: float
) -> ProcessError:
    log = supervisor.log_file(site, process.name)
    what = "keeps ending" if state.state == "fatal" else f"is not ready after {elapsed:.0f} s"
    return ProcessError(
        f"{process.name} {what} ({state.detail}); the end of {log}:\n{tail(log, 15)}",
        hint="`casita doctor` looks for the usual causes",
    )
