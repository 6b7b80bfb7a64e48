"""``casita login``, ``logout``, ``whoami``, ``token``, ``run``."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
import webbrowser
from collections.abc import Mapping
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from casita.backend import load_backends
from casita.cli.options import JsonOption, StateOption
from casita.client import (
    Connection,
    checked,
    checked_url,
    connection,
    forget,
    remember,
    session,
    time_left,
)
from casita.config.units import parse_duration
from casita.errors import CasitaError, LoginError, ServiceError
from casita.site import LOGIN_PREFIX

app = typer.Typer()
tokens = typer.Typer(help="Make, list and revoke tokens.", no_args_is_help=True)
app.add_typer(tokens, name="token")

ScopeOption = Annotated[
    list[str] | None, typer.Option("--scope", help="What the token may do; can be repeated.")
]


def _seconds(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise CasitaError(f"--expires {error}") from None


@app.command()
def login(
    url: Annotated[str, typer.Argument(help="The facility's address.")],
    scope: ScopeOption = None,
    expires: Annotated[str, typer.Option(help="How long this terminal stays logged in.")] = "7d",
    token_stdin: Annotated[
        bool, typer.Option("--token-stdin", help="Read a token from stdin instead.")
    ] = False,
    browser: Annotated[bool, typer.Option(help="Open a browser here.")] = True,
    ca: Annotated[str, typer.Option(help="PEM file of the facility's own authority.")] = "",
    insecure: Annotated[bool, typer.Option("--insecure", help="Allow plain http.")] = False,
) -> None:
    """Connect this terminal: approve a short code in a browser, here or elsewhere.

    Example: `casita login https://casita.example.org`

    Without any browser: make a token elsewhere, then `casita login URL --token-stdin < file`.
    """
    url = checked_url(url, insecure=insecure)
    with session(url, ca=ca) as http:
        about = _about(http, url)
        if token_stdin:
            token, until = _pasted(), None
        else:
            token, until = _by_device(http, scope or [], _seconds(expires), browser)
    found = Connection(url, token, about["gateway"], about["traffic"], "", until, ca)
    with found.http() as http:
        user = checked(http.get("/hub/api/user"))["name"]
    remember(Connection(url, token, about["gateway"], about["traffic"], user, until, ca))
    typer.echo(f"Logged in to {about['name']} ({url}) as {user}.")


def _about(http: httpx.Client, url: str) -> dict[str, Any]:
    answer = http.get(f"{LOGIN_PREFIX}/info")
    if answer.status_code != 200 or "gateway" not in answer.text:
        raise ServiceError(f"{url} is no casita facility", hint="check the address")
    about: dict[str, Any] = answer.json()
    return about


def _pasted() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Token", hide_input=True)).strip()
    return sys.stdin.readline().strip()


def _by_device(
    http: httpx.Client, scopes: list[str], seconds: int, browser: bool
) -> tuple[str, float]:
    """Walk through RFC 8628; returns (token, unix time of its end)."""
    form = {"client": f"casita on {platform.node()}", "expires_in": str(seconds)}
    begun = http.post(f"{LOGIN_PREFIX}/device", data=form | {"scope": " ".join(scopes)})
    if begun.is_error:
        raise LoginError(begun.json().get("error_description", "the facility refused"))
    device = begun.json()
    typer.echo(f"Open {device['verification_uri']}")
    typer.echo(f"and approve the code {device['user_code']}")
    if browser and sys.stdout.isatty():
        webbrowser.open(device["verification_uri_complete"])
    interval = device["interval"]
    deadline = time.monotonic() + device["expires_in"]
    with Console(stderr=True).status("waiting for your approval"):
        while time.monotonic() < deadline:
            time.sleep(interval)
            answer = http.post(f"{LOGIN_PREFIX}/token", data={"device_code": device["device_code"]})
            content = answer.json()
            if answer.is_success:
                return content["access_token"], time.time() + content["expires_in"]
            code = content.get("error")
            if code == "slow_down":
                interval += 5
            elif code != "authorization_pending":
                break
    denied = "it was denied" if code == "access_denied" else "the code has expired"
    raise LoginError(f"no login: {denied}", hint="run `casita login` again")


@app.command()
def logout() -> None:
    """Revoke this terminal's token and forget it.

    Example: `casita logout`
    """
    found = connection()
    try:
        with found.http() as http:
            mine = [one["id"] for one in checked(http.get(f"{LOGIN_PREFIX}/tokens"))]
            current = checked(http.get("/hub/api/user")).get("token_id")
            if current in mine:
                http.delete(f"{LOGIN_PREFIX}/tokens/{current}")
    finally:
        forget(found.url)
    typer.echo(f"Logged out of {found.url}.")


@app.command()
def whoami(state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show who you are at which facility, and what your token may do.

    Example: `casita whoami`
    """
    found = connection(state)
    with found.http() as http:
        model = checked(http.get("/hub/api/user"))
    if as_json:
        about = {"user": model["name"], "url": found.url, "expires": found.expires}
        typer.echo(json.dumps(about | {"scopes": sorted(model["scopes"])}, indent=2))
        return
    left = time_left(found)
    typer.echo(f"{model['name']} at {found.url}" + (f", for {left}" if left else ""))
    for scope in sorted(model["scopes"]):
        typer.echo(f"  {scope}")


@tokens.command()
def create(
    scope: ScopeOption = None,
    expires: Annotated[str, typer.Option(help='E.g. "10m", "8h", "7d".')] = "1h",
    note: Annotated[str, typer.Option(help="What it is for.")] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the token alone.")] = False,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token that may do no more than your own, for a job or another program.

    Example: `casita token create --scope gateway --expires 10m --quiet`
    """
    body = {"scopes": scope or ["gateway"], "expires_in": _seconds(expires), "note": note}
    with connection(state).http() as http:
        made = checked(http.post(f"{LOGIN_PREFIX}/tokens", json=body))
    if as_json:
        typer.echo(json.dumps(made, indent=2))
    elif quiet:
        typer.echo(made["token"])
    else:
        typer.echo(made["token"])
        typer.echo(
            f"for {', '.join(made['scopes'])}, until {made['expires_at']}; it is shown only now. "
            f"`casita token revoke {made['id']}` ends it.",
            err=True,
        )


@tokens.command("list")
def list_tokens(state: StateOption = None, as_json: JsonOption = False) -> None:
    """List your tokens that were made by casita.

    Example: `casita token list`
    """
    with connection(state).http() as http:
        found = checked(http.get(f"{LOGIN_PREFIX}/tokens"))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("id", "scopes", "expires", "last used", "note"):
        table.add_column(column)
    for one in found:
        table.add_row(
            one["id"],
            ", ".join(one["scopes"]),
            _short(one["expires_at"]),
            _short(one["last_used"]),
            one["note"],
        )
    Console().print(table if found else "no tokens")


def _short(moment: str | None) -> str:
    return moment[:16].replace("T", " ") if moment else ""


@tokens.command()
def revoke(
    identifier: Annotated[str, typer.Argument(help="As `casita token list` shows it.")],
    state: StateOption = None,
) -> None:
    """End a token at once.

    Example: `casita token revoke a123`
    """
    with connection(state).http() as http:
        checked(http.delete(f"{LOGIN_PREFIX}/tokens/{identifier}"))
    typer.echo(f"{identifier} is revoked")


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def run(
    command: Annotated[list[str], typer.Argument(help="After `--`: what to run.")],
    state: StateOption = None,
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
    sys.exit(_passed_through([program, *command[1:]], environment))


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
        **{
            key: value for one in load_backends().values() for key, value in one.environment.items()
        },
    }


def _passed_through(command: list[str], environment: Mapping[str, str]) -> int:
    """Run a command in the foreground; Ctrl-C is its own business."""
    child = subprocess.Popen(command, env=dict(environment))
    while True:
        try:
            status = child.wait()
            return 128 - status if status < 0 else status
        except KeyboardInterrupt:
            continue
