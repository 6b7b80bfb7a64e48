"""``casita token create|list|revoke``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from casita.client import checked, connection
from casita.errors import CasitaError
from casita.site import LOGIN_PREFIX
from casita.terminal import ConnectionOption, JsonOption, seconds

app = typer.Typer(
    help="Make, list and revoke tokens, for jobs and other programs.", no_args_is_help=True
)
ScopeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        metavar="NAME",
        help="What the token may do, e.g. gateway or servers; can be repeated.",
    ),
]


def lifetime(text: str) -> int:
    """Return the seconds of ``--expires``.

    Raises
    ------
    CasitaError
        It is no duration, or none at all.
    """
    found = seconds("--expires", text)
    if found <= 0:
        raise CasitaError(f"--expires {text} is over at once", hint='write e.g. "10m", "8h", "7d"')
    return found


def scope_names(scopes: Iterable[str] | None) -> list[str]:
    """Return the names in ``--scope``, which may hold several."""
    return [name for one in scopes or () for name in one.replace(",", " ").split()]


@app.command()
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
    names = scope_names(scope) or ["gateway"]
    body = {"scopes": names, "expires_in": lifetime(expires), "note": note}
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


@app.command("list")
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


@app.command()
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
