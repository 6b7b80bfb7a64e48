"""``casita up``, ``down``, ``restart``, ``status``, ``doctor``, ``logs``, ``link``."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from casita.errors import ProcessError, StateError
from casita.site import default_state, open_site
from casita.terminal import JsonOption, StateOption

app = typer.Typer()
COLOURS = {"up": "green", "degraded": "yellow", "down": "red"}
MARKS = {"ok": "green", "warning": "yellow", "error": "red"}


@app.command()
def up(
    state: StateOption = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="casita.toml; default: ./casita.toml if there.")
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when ready; otherwise Ctrl-C stops it.")
    ] = False,
    allow_root: Annotated[
        bool, typer.Option("--allow-root", help="Let the embedded profile run as root.")
    ] = False,
) -> None:
    """Start a facility and wait until it is ready.

    Example: `casita up --detach`
    """
    from casita import runtime
    from casita.backend import load_backends
    from casita.config import load

    systemd = os.environ.pop("NOTIFY_SOCKET", "")
    if config is None and Path("casita.toml").is_file():
        config = Path("casita.toml")
    settings = load(config, load_backends())
    started = runtime.up(
        settings, state or default_state(), allow_root=allow_root, report=typer.echo
    )
    typer.echo(f"\nThe facility is up after {started.seconds:.1f} s: {started.site.url}")
    if settings.multiuser:
        typer.echo("Log in with your account on this machine.")
    else:
        _print_login(started.site.state)
    if detach:
        option = f" --state {state}" if state else ""
        typer.echo(f"`casita down{option}` stops it.")
        return
    typer.echo("Ctrl-C stops it.")
    if systemd:
        _tell(systemd, "READY=1")
    _wait_for_the_end(started.site.state)


def _print_login(state: Path) -> None:
    from casita.hub.once import new_login_link

    site = open_site(state)
    typer.echo(f"Log in once, within 15 minutes: {new_login_link(site)}")
    typer.echo(
        f"or as {site.config.login.admin} with the password in {state}/secrets/admin_password"
    )


def _tell(systemd: str, message: str) -> None:
    """Send a message to the service manager (sd_notify(3)); ``@`` is an abstract socket's NUL."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stream:
        stream.sendto(message.encode(), systemd.replace("@", "\0", 1))


def _wait_for_the_end(state: Path) -> None:
    from casita import runtime, supervisor

    stop = threading.Event()

    def ask(signum: int, frame: FrameType | None) -> None:
        stop.set()

    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, ask)
    site = open_site(state)
    while not stop.wait(1):
        if supervisor.daemon(site) is None:
            if supervisor.pid_file(site).exists():  # it removes the file when it ends in order
                raise ProcessError(
                    "supervisord was killed", hint="`casita up` takes over what it has left"
                )
            typer.echo("the facility was stopped by somebody else")
            return
    runtime.down(state, report=typer.echo)


@app.command()
def down(state: StateOption = None) -> None:
    """Stop everything: services, users' servers, clusters. Leaves no process behind.

    Example: `casita down`
    """
    from casita import runtime

    runtime.down(state or default_state(), report=typer.echo)
    typer.echo("The facility is down.")


@app.command()
def restart(
    name: Annotated[
        str | None, typer.Argument(help="One process, as `casita status` names it.")
    ] = None,
    state: StateOption = None,
) -> None:
    """Restart one process or all; users' servers and clusters go on.

    Example: `casita restart hub`
    """
    from casita import runtime

    runtime.restart(state or default_state(), name, report=typer.echo)


@app.command()
def status(state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show what runs. Exit status 1 unless everything is up.

    Example: `casita status --json`
    """
    from casita.status import status as ask

    now = ask(state or default_state())
    if as_json:
        typer.echo(json.dumps(now.to_json(), indent=2))
    else:
        console = Console(highlight=False)
        console.print(f"{now.url}  {now.profile}  [{COLOURS[now.state]}]{now.state}[/]")
        table = Table(box=None, pad_edge=False)
        for column in ("process", "state", "pid", "port", ""):
            table.add_column(column, justify="right" if column in ("pid", "port") else "left")
        for line in now.processes:
            colour = "green" if line.healthy else "red"
            table.add_row(
                line.name,
                f"[{colour}]{line.state}[/]",
                str(line.pid or ""),
                str(line.port or ""),
                line.detail,
            )
        console.print(table)
    raise typer.Exit(0 if now.state == "up" else 1)


@app.command()
def doctor(state: StateOption = None, as_json: JsonOption = False) -> None:
    """Say what is wrong, why, and what to type. Exit status 1 if there is an error.

    Example: `casita doctor`
    """
    from casita.doctor import examine

    found = examine(open_site(state or default_state()))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in found], indent=2))
    else:
        console = Console(highlight=False)
        for finding in found:
            mark = f"[{MARKS[finding.level]}]{finding.level:<7}[/]"
            # Unwrapped: people copy paths and commands out of these lines.
            console.print(
                f"{mark}  {escape(f'{finding.subject}: {finding.detail}')}", soft_wrap=True
            )
            if finding.remedy:
                console.print(f"         -> {escape(finding.remedy)}", soft_wrap=True)
    raise typer.Exit(int(any(finding.level == "error" for finding in found)))


@app.command()
def logs(
    name: Annotated[str | None, typer.Argument(help="As `casita status` names it.")] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="From the end.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
    state: StateOption = None,
) -> None:
    """Print the log of a process, or list the logs there are.

    Example: `casita logs gateway --follow`
    """
    from casita.files import tail
    from casita.supervisor import log_file

    site = open_site(state or default_state())
    known = sorted(path.stem for path in site.logs.glob("*.log"))
    if name is None:
        typer.echo("\n".join(known))
        return
    if name not in known:
        raise StateError(f"no log of {name!r}", hint=f"there are: {', '.join(known)}")
    path = log_file(site, name)
    if follow:
        sys.exit(subprocess.call(["tail", "-n", str(lines), "-F", str(path)]))
    typer.echo(tail(path, lines, limit=16 * 2**20))


@app.command()
def link(state: StateOption = None) -> None:
    """Print a fresh one-time login link (embedded profile).

    Example: `casita link`
    """
    _print_login((state or default_state()).absolute())
