"""Runs a list of processes on one machine: writes a supervisord configuration and drives it.

supervisord restarts what dies and keeps the logs; this module starts and stops supervisord itself
and asks it, through its Unix socket (owner only), what runs.
"""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import psutil

from casita.backend import Process
from casita.errors import ConfigError, ProcessError, StateError
from casita.files import tail, write_atomic
from casita.site import Site

LOG_BYTES = 10 * 2**20
LOG_BACKUPS = 3
RESTARTS = 5
"""A process that dies so often while starting is given up ("fatal")."""


@dataclass(frozen=True)
class ProcessState:
    """What supervisord says of one process."""

    name: str
    state: str
    """running, starting, stopped, stopping, backoff, exited, fatal or unknown"""
    pid: int | None
    detail: str
    """Supervisor's own sentence: uptime, or why it doesn't run."""


def configuration(site: Site, processes: Iterable[Process]) -> str:
    """Return the text of ``supervisord.conf``."""
    parser = configparser.RawConfigParser()
    parser["unix_http_server"] = {"file": str(site.socket), "chmod": "0700"}
    parser["supervisord"] = {
        "logfile": str(site.logs / "supervisord.log"),
        "logfile_maxbytes": str(LOG_BYTES),
        "logfile_backups": str(LOG_BACKUPS),
        "pidfile": str(pid_file(site)),
        "childlogdir": str(site.logs),
        "nodaemon": "true",
        "silent": "true",
        "umask": "077",
        "minfds": "1024",
    }
    parser["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    for process in processes:
        parser[f"program:{process.name}"] = _program(site, process)
    text = StringIO()
    parser.write(text)
    return text.getvalue()


def _program(site: Site, process: Process) -> dict[str, str]:
    environment = {
        "CASITA_INSTANCE": site.instance,
        "CASITA_PROCESS": process.name,
        "PATH": f"{Path(sys.prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONUNBUFFERED": "1",
        **process.environment,
    }
    written = {
        "command": " ".join(_quoted(word) for word in process.command),
        "directory": str(site.state),
        "environment": ",".join(f"{key}={_enclosed(value)}" for key, value in environment.items()),
        "priority": process.priority,
        "autorestart": "true",
        "startsecs": 1,
        "startretries": RESTARTS,
        "stopwaitsecs": int(process.stop_within),
        # Users' servers and clusters lead sessions of their own, so these reach only helpers.
        "stopasgroup": "true",
        "killasgroup": "true",
        "stdout_logfile": str(log_file(site, process.name)),
        "stdout_logfile_maxbytes": LOG_BYTES,
        "stdout_logfile_backups": LOG_BACKUPS,
        "redirect_stderr": "true",
    }
    return {key: str(value).replace("%", "%%") for key, value in written.items()}


def _quoted(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _enclosed(value: str) -> str:
    # In `environment`, unlike in `command`, supervisord knows no escapes.
    quote = "'" if '"' in value else '"'
    if quote in value:
        raise ConfigError(f"{value!r}: an environment value can't hold both kinds of quotes")
    return f"{quote}{value}{quote}"


def log_file(site: Site, name: str) -> Path:
    """Return the log of one process."""
    return site.logs / f"{name}.log"


def pid_file(site: Site) -> Path:
    """Return the file with supervisord's pid."""
    return site.state / "run" / "supervisord.pid"


# ---- driving it


class _Transport(xmlrpc.client.Transport):
    """XML-RPC over the supervisor's Unix socket, with supervisor's own connection class."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: object) -> object:  # type: ignore[override]
        from supervisor.xmlrpc import UnixStreamHTTPConnection

        connection = UnixStreamHTTPConnection("localhost", timeout=90)
        connection.socketfile = str(self._path)
        return connection


@contextmanager
def _remote(site: Site) -> Iterator[xmlrpc.client.ServerProxy]:
    server = xmlrpc.client.ServerProxy(
        "http://localhost/RPC2", transport=_Transport(site.socket), allow_none=True
    )
    try:
        with server:
            yield server
    except xmlrpc.client.Fault as fault:
        if fault.faultString.startswith("BAD_NAME"):
            known = ", ".join(one.name for one in states(site))
            raise ProcessError(
                f"no process {fault.faultString.removeprefix('BAD_NAME: ')!r} in this facility",
                hint=f"there are: {known}",
            ) from None
        raise ProcessError(f"supervisord: {fault.faultString}") from fault
    except OSError as error:
        raise StateError(f"no facility runs in {site.state}", hint="`casita up`") from error


def daemon(site: Site) -> psutil.Process | None:
    """Return this facility's live supervisord, or None."""
    try:
        pid = int(pid_file(site).read_text())
        process = psutil.Process(pid)
        # A pid alone proves nothing after a reboot, nor do words that any user can repeat.
        mine = process.uids().real == os.getuid()
        if mine and process.environ().get("CASITA_INSTANCE") == site.instance:
            return process
    except (OSError, ValueError, psutil.Error):
        pass
    return None


def start(site: Site, processes: Iterable[Process]) -> psutil.Process:
    """Start supervisord with these processes, in a session of its own.

    Raises
    ------
    ProcessError
        It ended at once; the message holds its log's tail.
    """
    if site.socket.parent == site.runtime:
        site.make_runtime()
    conf = site.etc / "supervisord.conf"
    write_atomic(conf, configuration(site, processes))
    output = site.logs / "supervisord.out"
    with output.open("w") as stream:
        child = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(conf)],
            cwd=site.state,
            env={**os.environ, "CASITA_INSTANCE": site.instance, "CASITA_PROCESS": "supervisord"},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise ProcessError(f"supervisord ended with status {child.returncode}: {tail(output)}")
        if site.socket.exists() and daemon(site):
            return psutil.Process(child.pid)
        time.sleep(0.05)
    child.kill()
    raise ProcessError(f"supervisord did not answer within 20 s: {tail(output)}")


def states(site: Site) -> list[ProcessState]:
    """Return the state of every process.

    Raises
    ------
    StateError
        No supervisord answers.
    """
    with _remote(site) as server:
        answer = server.supervisor.getAllProcessInfo()
    assert isinstance(answer, list)
    return [
        ProcessState(
            name=str(one["name"]),
            state=str(one["statename"]).lower(),
            pid=int(one["pid"]) or None,
            detail=str(one["description"] or one["spawnerr"]),
        )
        for one in answer
        if isinstance(one, dict)
    ]


def restart(site: Site, name: str) -> None:
    """Stop and start one process, waiting for both.

    Raises
    ------
    ProcessError
        There is no such process, or it did not start.
    """
    with _remote(site) as server:
        if next((one for one in states(site) if one.name == name and one.pid), None):
            server.supervisor.stopProcess(name, True)
        server.supervisor.startProcess(name, True)


def shutdown(site: Site, patience: float) -> None:
    """Ask supervisord to stop everything and end; kill it when it takes longer than patience.

    Parameters
    ----------
    patience
        Seconds.
    """
    process = daemon(site)
    if process is None:
        return
    process.terminate()
    try:
        process.wait(patience)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(5)
