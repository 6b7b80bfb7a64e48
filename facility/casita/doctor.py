"""What is wrong with a facility, why, and what to type: ``casita doctor``.

Every check is a function from Site to findings.  A check that fails itself becomes a finding, so
one broken thing never hides the others.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import psutil

from casita import supervisor, sweep
from casita.accounts import account
from casita.backend import Finding
from casita.errors import LoginError
from casita.files import closed_to_others, tail
from casita.ports import first_open_port
from casita.processes import BIN
from casita.runtime import PYTHON, SPACE_NEEDED
from casita.site import Site
from casita.status import status
from casita.units import format_size

PAM = Path("/etc/pam.d/login")
LOW_SPACE = 5 * 2**30
"""Bytes below which a warning is due: one user's dataset can fill them."""

PROGRAMS = ("dask", "dask-gateway-server", "jupyterhub-singleuser", "supervisord", "traefik")
"""What a facility runs, beside modules of its own Python."""

Check = Callable[[Site], Iterable[Finding]]


def examine(site: Site) -> list[Finding]:
    """Return the findings of every check, ours and the backends', worst first."""
    found: list[Finding] = []
    for check in CHECKS:
        found += _safely(check.__name__.strip("_"), check, site)
    for backend in site.backends.values():

        def ask(site: Site, backend: object = backend) -> Iterable[Finding]:
            one = site.backends[backend.name]  # type: ignore[attr-defined]
            return one.check(site.settings(one), site.place(one))

        found += _safely(backend.name, ask, site)
    order = {"error": 0, "warning": 1, "ok": 2}
    return sorted(found, key=lambda finding: order[finding.level])


def _safely(subject: str, check: Check, site: Site) -> list[Finding]:
    try:
        return list(check(site))
    except Exception as error:
        return [Finding("error", subject, f"the check itself failed: {error}", "please report it")]


def _python(site: Site) -> Iterable[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("ok", "Python", f"{version} in {sys.prefix}")
    if site.config.multiuser and (closed := closed_to_others(*PYTHON)):
        yield Finding(
            "error",
            "Python for other users",
            f"{closed} can't be entered by other users, so their servers can't start",
            "install casita below a folder that everybody may enter, e.g. /opt/casita",
        )
    if site.config.multiuser and (open_to := _not_only_roots(Path(sys.prefix))):
        yield Finding(
            "error",
            "Python of root's processes",
            f"somebody else than root can change {open_to}, and so become root",
            f"chown -R root {open_to}; chmod -R go-w {open_to}",
        )


def _not_only_roots(path: Path) -> Path | None:
    for folder in (path, path / "bin", *path.parents):
        about = folder.stat()
        shared = about.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not about.st_mode & stat.S_ISVTX
        if about.st_uid != 0 or shared:
            return folder
    return None


def _programs(site: Site) -> Iterable[Finding]:
    missing = [name for name in PROGRAMS if not os.access(BIN / name, os.X_OK)]
    for name in missing:
        yield Finding(
            "error",
            name,
            f"{BIN / name} is missing",
            "install casita with its extras [hub,service,jupyter,kernel]",
        )
    if not missing:
        yield Finding("ok", "programs", f"all {len(PROGRAMS)} are in {BIN}")


def _space(site: Site) -> Iterable[Finding]:
    free = shutil.disk_usage(site.state).free
    detail = f"{format_size(free)} free at {site.state}"
    if free < SPACE_NEEDED:
        yield Finding("error", "disk space", detail, "free some space, or move with --state DIR")
    elif free < LOW_SPACE:
        yield Finding("warning", "disk space", detail, "clear old datasets: `casita data list`")
    else:
        yield Finding("ok", "disk space", detail)


def _privacy(site: Site) -> Iterable[Finding]:
    wrong = [
        path
        for path in (site.state, *(site.state / "secrets").iterdir())
        if path.lstat().st_mode & 0o077 or path.lstat().st_uid != os.getuid()
    ]
    for path in wrong:
        yield Finding(
            "error",
            "privacy",
            f"others can reach {path}",
            f"chmod go= {path}; chown it to yourself",
        )
    if not wrong:
        yield Finding("ok", "privacy", "state directory and secrets are yours alone")


def _listening(site: Site) -> Iterable[Finding]:
    facility = site.config.facility
    if facility.host in ("127.0.0.1", "::1", "localhost"):
        yield Finding("ok", "network", f"listens on {facility.host} only")
    elif not facility.tls_certificate:
        yield Finding(
            "warning",
            "network",
            f"passwords travel in clear to {facility.host}:{site.ports['public']}",
            "set facility.tls_certificate and facility.tls_key",
        )
    for name, path in (("certificate", facility.tls_certificate), ("key", facility.tls_key)):
        if path and not os.access(path, os.R_OK):
            yield Finding("error", f"TLS {name}", f"{path} can't be read", "check path and owner")


def _profile(site: Site) -> Iterable[Finding]:
    if os.getuid() == 0 and not site.config.multiuser:
        yield Finding(
            "warning",
            "profile",
            "the embedded profile runs as root: notebooks may change the whole machine",
            "run it as an ordinary user, or use the multiuser profile",
        )
    if site.config.multiuser and not PAM.exists():
        yield Finding("error", "PAM", f"{PAM} is missing", "apt-get install login")


def _people(site: Site) -> Iterable[Finding]:
    if not site.config.multiuser:
        return
    login, first = site.config.login, first_open_port()
    for name in (login.admin, *login.users):
        try:
            account(name)
        except LoginError as error:
            level: Literal["warning", "ok"] = "ok" if login.create_users else "warning"
            yield Finding(level, f"account {name}", error.message, error.hint)
    for name in ("public", "traffic", "hub"):
        if site.ports[name] >= first:
            yield Finding(
                "warning",
                f"port {site.ports[name]} ({name})",
                "any user of this machine may take it while the facility is down, and what is "
                "sent there",
                f"take one below {first}: 443 for facility.port, another for gateway.port"
                if first > 1
                else "sysctl net.ipv4.ip_unprivileged_port_start=1024",
            )


def _running(site: Site) -> Iterable[Finding]:
    if supervisor.daemon(site) is None:
        yield Finding("warning", "facility", f"down: {site.state}", "`casita up`")
        return
    for line in status(site.state).processes:
        if line.healthy:
            yield Finding("ok", line.name, f"pid {line.pid}, {line.detail}")
            continue
        last = tail(supervisor.log_file(site, line.name), 1)
        told = [line.state, line.detail, f"its log ends with: {last}" if last else ""]
        yield Finding(
            "error",
            line.name,
            "; ".join(filter(None, told)),
            f"`casita logs {line.name}`, then `casita restart {line.name}`",
        )


def _leftovers(site: Site) -> Iterable[Finding]:
    if supervisor.daemon(site) is not None:
        return
    left = sweep.belongings(site.instance)
    if left:
        pids = ", ".join(str(one.process.pid) for one in left[:5])
        memory = sum(_memory(one.process) for one in left)
        yield Finding(
            "warning",
            "left-over processes",
            f"{len(left)} of an earlier run hold {format_size(memory)} (pids {pids})",
            "`casita up` takes them over, `casita down` ends them",
        )


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


CHECKS: tuple[Check, ...] = (
    _python,
    _programs,
    _space,
    _privacy,
    _listening,
    _profile,
    _people,
    _running,
    _leftovers,
)
