"""``casita token storage`` and ``rotate-keys``: tokens for data services."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer

from casita.auth.scopes import CREATE, MODIFY, READ, Scope, normalised
from casita.client import checked, connection, operator, session
from casita.errors import CasitaError
from casita.site import TOKENS_PREFIX, default_state, open_site
from casita.storage import storage_token
from casita.terminal import ConnectionOption, JsonOption, StateOption, YesOption
from casita.units import round_duration

app = typer.Typer()
RIGHTS = {"read": READ, "create": CREATE, "modify": MODIFY}


@app.command()
def storage(
    path: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="What the token is to open, with all below it; can be repeated.",
            show_default="all that you may open",
        ),
    ] = None,
    service: Annotated[
        str, typer.Option("--for", metavar="NAME", help="The data service that it is for.")
    ] = "cache",
    right: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RIGHT",
            help="read, create (only new files) or modify; can be repeated.",
            show_default="read",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the token alone.")] = False,
    state: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a short-lived token for a data service, e.g. for `xrdcp` or `curl`.

    Example: `casita token storage --path /store --for cache`
    """
    if right and not path:
        raise CasitaError("--right needs --path: which files are meant?")
    with connection(state).http() as http:
        made = storage_token(http, service, _scopes(path or [], right or ["read"]))
    if as_json:
        shown = {"token": made.token, "scope": made.scope, "expires": made.expires}
        typer.echo(json.dumps(shown, indent=2))
        return
    typer.echo(made.token)
    if not quiet:
        left = round_duration(made.expires - time.time() + 1)
        typer.echo(f"For {service}, {left}: {made.scope}", err=True)


def _scopes(paths: list[str], rights: list[str]) -> list[Scope]:
    for one in rights:
        if one not in RIGHTS:
            raise CasitaError(f"--right {one}: no such right", hint=f"one of {', '.join(RIGHTS)}")
    try:
        return [Scope(RIGHTS[right], normalised(path)) for path in paths for right in rights]
    except ValueError as error:
        raise CasitaError(f"--path {error}") from None


@app.command("rotate-keys")
def rotate_keys(
    now: Annotated[
        bool,
        typer.Option(
            "--now", help="The keys are in wrong hands: make new ones, and end every token."
        ),
    ] = False,
    yes: YesOption = False,
    state: StateOption = None,
) -> None:
    """Sign storage tokens with the next key from now on; for the operator.

    The keys before stay good until what they signed has expired, so nobody notices.

    Example: `casita token rotate-keys`
    """
    site = open_site(state or default_state())
    found = operator(site)  # says if it is down
    if now and not yes:
        typer.confirm("This ends every storage token at once. Go on?", abort=True)
    with session(site.url, site.secret("operator"), found.ca) as http:
        made = checked(http.post(f"{TOKENS_PREFIX}/keys", data={"now": str(now).lower()}))
    typer.echo(f"storage tokens are signed with the key {made['kid']} now")
