"""``casita login``, ``logout``, ``whoami``."""

from __future__ import annotations

import importlib
import json
import os
import platform
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

from casita.addresses import checked_url
from casita.backend import load_backends
from casita.cli.tokens import ScopeOption, lifetime, scope_names
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
from casita.errors import LoginError, ServiceError
from casita.login.scopes import meaning
from casita.site import LOGIN_PREFIX
from casita.terminal import ConnectionOption, JsonOption
from casita.units import round_duration

app = typer.Typer()
RETRY_STATUS = (429, 500, 502, 503, 504)
"""Answers of a facility whose login service is being restarted."""
PATIENCE = 30.0
"""Seconds in which it has restarted."""


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
            token = _by_device(http, url, scope_names(scope), lifetime(expires), browser=browser)
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
