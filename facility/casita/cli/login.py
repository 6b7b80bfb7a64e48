"""``casita login``, ``logout``, ``whoami``, ``token``, ``run``."""

from __future__ import annotations

import importlib
import json
import os
import platform
import re
import shutil
import sys
import time
import webbrowser
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from casita.addresses import checked_url
from casita.backend import load_backends
from casita.cli.options import ConnectionOption, JsonOption
from casita.client import (
    Connection,
    checked,
    connection,
    forget,
    remember,
    remembered,
    session,
    time_left,
)
from casita.errors import CasitaError, LoginError, ServiceError
from casita.login.scopes import meaning
from casita.site import LOGIN_PREFIX
from casita.units import parse_duration, round_duration

app = typer.Typer()
tokens = typer.Typer(
    help="Make, list and revoke tokens, for jobs and other programs.", no_args_is_help=True
)
app.add_typer(tokens, name="token")

ScopeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        metavar="NAME",
        help="What the token may do, e.g. gateway or servers; can be repeated.",
    ),
]
RETRY_STATUS = (429, 500, 502, 503, 504)
"""Answers of a facility whose login service is being restarted."""
PATIENCE = 30.0
"""Seconds in which it has restarted."""


def _seconds(text: str) -> int:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise CasitaError(f"--expires {error}") from None
    if seconds <= 0:
        raise CasitaError(f"--expires {text} is over at once", hint='write e.g. "10m", "8h", "7d"')
    return seconds


def _names(scopes: Iterable[str] | None) -> list[str]:
    return [name for one in scopes or () for name in one.replace(",", " ").split()]


@app.command()
def login(
    url: Annotated[str, typer.Argument(help="The facility's address.")],
    scope: ScopeOption = None,
    expires: Annotated[
        str, typer.Option(metavar="TIME", help="How long this terminal stays logged in.")
    ] = "7d",
    token_stdin: Annotated[
        bool, typer.Option("--token-stdin", help="Read a token from stdin instead.")
    ] = False,
    browser: Annotated[bool, typer.Option(help="Open a browser here, if there is one.")] = True,
    ca: Annotated[
        str, typer.Option(metavar="FILE", help="Certificate of the facility's own authority (PEM).")
    ] = "",
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow http:// to another machine.")
    ] = False,
) -> None:
    """Connect this terminal to a facility: approve a short code in a browser, here or elsewhere.

    Example: `casita login https://casita.example.org`

    Without any browser: make a token elsewhere (`casita token create`, or the hub's Token page)
    and hand it over: `casita login https://casita.example.org --token-stdin < token.txt`
    """
    url = checked_url(url, insecure=insecure)
    ca = os.path.abspath(ca) if ca else ""  # noqa: PTH100 (links stay as they are)
    with session(url, ca=ca) as http:
        about = _about(http, url)
        if token_stdin:
            token = _pasted()
        else:
            token = _by_device(http, url, _names(scope), _seconds(expires), browser=browser)
    # The gateway as seen from here, maybe through a tunnel, and by the scheme checked above.
    gateway = f"{url}{urlsplit(about['gateway']).path}"
    found = Connection(url, token, gateway, about["traffic"], ca=ca)
    _keep(found, about["name"])


def _keep(found: Connection, facility: str) -> None:
    """Keep a login that works, and say what it is good for."""
    me = _introduced(found)
    found = replace(found, user=me["user"], expires=me["expires"])
    remember(found)
    left = time_left(found)
    typer.echo(
        f"Logged in to {facility} ({found.url}) as {found.user}"
        + (f", for {left}: " if left else ": ")
        + (", ".join(me["scopes"]) or "nothing that casita knows")
    )
    for line in _told_by_backends(found, me["scopes"]):
        typer.echo(line)


def _told_by_backends(found: Connection, scopes: Iterable[str]) -> Iterator[str]:
    """Let the backends that this login may use prepare this machine."""
    allowed = set(scopes)
    for name, backend in load_backends().items():
        if backend.login and name in allowed:
            module, _, function = backend.login.partition(":")
            line = getattr(importlib.import_module(module), function)(found, Path.home())
            if line:
                yield line


def _introduced(found: Connection) -> dict[str, Any]:
    """Ask who we are; a facility that restarts is waited for, since a token is handed out once."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return _whoami(found)
        except ServiceError as error:
            if error.refused or time.monotonic() > deadline:
                raise
        time.sleep(1)


def _about(http: httpx.Client, url: str) -> dict[str, Any]:
    answer = http.get(f"{LOGIN_PREFIX}/info")
    if answer.is_redirect:
        there = urlsplit(answer.headers.get("Location", ""))
        raise ServiceError(
            f"{url} sends us on to {there.scheme}://{there.netloc}",
            hint=f"casita login {there.scheme}://{there.netloc}",
        )
    about = checked(answer) if answer.status_code != 404 else None
    if not isinstance(about, dict) or not {"name", "gateway", "traffic"} <= set(about):
        raise ServiceError(f"{url} is no casita facility", hint="check the address")
    return about


def _whoami(found: Connection) -> dict[str, Any]:
    with found.http() as http:
        me: dict[str, Any] = checked(http.get(f"{LOGIN_PREFIX}/whoami"))
    return me


def _pasted() -> str:
    if sys.stdin.isatty():
        token = str(typer.prompt("Token", hide_input=True)).strip()
    else:
        token = sys.stdin.readline().strip()
    if not token:
        raise LoginError("there is no token on stdin", hint="casita login URL --token-stdin < FILE")
    return token


def _by_device(
    http: httpx.Client, url: str, scopes: list[str], seconds: int, *, browser: bool
) -> str:
    """Walk through RFC 8628 and return the token."""
    form = {"client": f"casita on {platform.node()}"[:80], "expires_in": str(seconds)}
    begun = http.post(f"{LOGIN_PREFIX}/device", data=form | {"scope": " ".join(scopes)})
    if begun.status_code == 400:
        raise LoginError(begun.json().get("error_description", "the facility refused"))
    device = checked(begun)
    page = urlsplit(device["verification_uri_complete"])
    typer.echo(f"Open {url}{page.path}")
    typer.echo(
        f"and approve the code {device['user_code']} within {round_duration(device['expires_in'])}."
    )
    # A browser of the text kind would take this terminal over.
    screen = sys.platform == "darwin" or os.environ.keys() & {"DISPLAY", "WAYLAND_DISPLAY"}
    if browser and screen and sys.stdout.isatty():
        webbrowser.open(f"{url}{page.path}?{page.query}")
    with Console(stderr=True).status("waiting for your approval"):
        return _fetched(http, device)


def _fetched(http: httpx.Client, device: Mapping[str, Any]) -> str:
    """Ask until the request is decided; a facility that restarts meanwhile is waited for."""
    interval = device["interval"]
    deadline = time.monotonic() + device["expires_in"]
    while time.monotonic() < deadline:
        time.sleep(interval)
        try:
            answer = http.post(f"{LOGIN_PREFIX}/token", data={"device_code": device["device_code"]})
        except ServiceError:
            continue
        if answer.status_code in (*RETRY_STATUS, 404):  # 404: the proxy has no route yet
            continue
        content = answer.json()
        if answer.is_success:
            return str(content["access_token"])
        code = content.get("error")
        if code == "slow_down":
            interval += 5
        elif code != "authorization_pending":
            why = content.get("error_description", code)
            raise LoginError(f"no login: {why}", hint="run `casita login` again")
    raise LoginError("no login: nobody approved the code in time", hint="run `casita login` again")


@app.command()
def logout(
    url: Annotated[str, typer.Argument(help="Which facility.", show_default="the current")] = "",
) -> None:
    """Revoke this terminal's token and forget it.

    Example: `casita logout`
    """
    found = remembered(checked_url(url, insecure=True) if url else "")
    if found is None:
        raise LoginError(
            f"not logged in to {url or 'a facility'}", hint="`casita whoami` tells where you are"
        )
    current = forget(found.url)
    try:
        with found.http() as http:
            checked(http.delete(f"{LOGIN_PREFIX}/whoami"))
    except LoginError:
        pass  # it was dead already
    except ServiceError as error:
        raise ServiceError(
            f"the token is forgotten here but not revoked: {error.message}",
            hint="`casita token list` and `revoke` end it, after the next login",
        ) from error
    typer.echo(f"Logged out of {found.url}." + (f" Now at {current}." if current else ""))


@app.command()
def whoami(state: ConnectionOption = None, as_json: JsonOption = False) -> None:
    """Show who you are at which facility, and what your token may do.

    Example: `casita whoami`
    """
    found = connection(state)
    me = _whoami(found)
    if as_json:
        typer.echo(json.dumps(me | {"url": found.url}, indent=2))
        return
    left = time_left(replace(found, expires=me["expires"]))
    typer.echo(f"{me['user']} at {found.url}" + (f", for {left}" if left else ""))
    for name in me["scopes"]:
        typer.echo(f"  {name:<10} {meaning(name)}")


@tokens.command()
def create(
    scope: ScopeOption = None,
    expires: Annotated[str, typer.Option(metavar="TIME", help='E.g. "10m", "8h", "7d".')] = "1h",
    note: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the token alone.")] = False,
    state: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token that may do no more than your own, for a job or another program.

    Example: `casita token create --scope gateway --expires 10m --quiet`
    """
    names = _names(scope) or ["gateway"]
    body = {"scopes": names, "expires_in": _seconds(expires), "note": note}
    with connection(state).http() as http:
        made = checked(http.post(f"{LOGIN_PREFIX}/tokens", json=body))
    if as_json:
        typer.echo(json.dumps(made, indent=2))
        return
    typer.echo(made["token"])
    if not quiet:
        typer.echo(
            f"For {', '.join(made['scopes'])}, until {_short(made['expires_at'])} UTC; it is shown "
            f"only now. `casita token revoke {made['id']}` ends it.",
            err=True,
        )


@tokens.command("list")
def list_tokens(state: ConnectionOption = None, as_json: JsonOption = False) -> None:
    """List your tokens that were made by casita.

    Example: `casita token list`
    """
    with connection(state).http() as http:
        found = checked(http.get(f"{LOGIN_PREFIX}/tokens"))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    if not found:
        typer.echo("no tokens; `casita token create` makes one")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("id", "scopes", "expires (UTC)", "last used", "note"):
        table.add_column(column, overflow="fold")
    for one in found:
        expires, used = _short(one["expires_at"]), _short(one["last_used"])
        # A note is somebody's text, no markup.
        table.add_row(one["id"], ", ".join(one["scopes"]), expires, used, Text(one["note"]))
    Console().print(table)


def _short(moment: str | None) -> str:
    return moment[:16].replace("T", " ") if moment else ""


@tokens.command()
def revoke(
    identifier: Annotated[str, typer.Argument(help="As `casita token list` shows it.")],
    state: ConnectionOption = None,
) -> None:
    """End a token at once.

    Example: `casita token revoke a123`
    """
    if not re.fullmatch(r"[a-z]\d+", identifier):
        # Not sent, nor said: it may be a token.
        raise CasitaError("this is no token's id", hint="`casita token list` shows ids, e.g. a12")
    with connection(state).http() as http:
        checked(http.delete(f"{LOGIN_PREFIX}/tokens/{identifier}"))
    typer.echo(f"{identifier} is revoked")


@app.command(
    context_settings={
        "allow_extra_args": True,
        "allow_interspersed_args": False,
        "ignore_unknown_options": True,
    },
)
def run(
    command: Annotated[list[str], typer.Argument(help="What to run, and its arguments.")],
    state: ConnectionOption = None,
) -> None:
    """Run a local command connected to the facility: `dask_gateway.Gateway()` just works in it.

    Example: `casita run -- python analysis.py`
    """
    program = shutil.which(command[0])
    if program is None:
        raise CasitaError(f"{command[0]}: no such command", hint="check the spelling and PATH")
    found = connection(state)
    found.http().close()  # says so now if the token has expired
    environment = {**os.environ, **environment_of(found)}
    if _shares_environment(program):
        for backend in load_backends().values():
            environment |= backend.environment
    try:
        # In our place: signals, Ctrl-C and the exit status are all its own.
        os.execve(program, command, environment)
    except OSError as error:
        raise CasitaError(f"{program} can't be run: {error.strerror}") from error


def environment_of(found: Connection) -> Mapping[str, str]:
    """Return what a program needs to use the facility's gateway; the token is in it."""
    ca = {"SSL_CERT_FILE": found.ca, "REQUESTS_CA_BUNDLE": found.ca} if found.ca else {}
    return {
        "CASITA_URL": found.url,
        "DASK_GATEWAY__ADDRESS": found.gateway,
        "DASK_GATEWAY__PUBLIC_ADDRESS": found.gateway,
        "DASK_GATEWAY__PROXY_ADDRESS": found.traffic,
        "DASK_GATEWAY__AUTH__TYPE": "jupyterhub",
        "JUPYTERHUB_API_TOKEN": found.token,
        "JUPYTERHUB_USER": found.user,
        **ca,
    }


def _shares_environment(program: str) -> bool:
    """Whether a program runs, or is likely to run, the Python in which casita is installed.

    Elsewhere dask could not import what the backends' variables name.
    """
    ours = Path(sys.prefix) / "bin"
    return any(path and Path(path).parent == ours for path in (program, shutil.which("python")))
