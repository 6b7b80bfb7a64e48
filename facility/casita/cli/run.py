"""``casita run``."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from casita.backend import load_backends
from casita.client import Connection, connection
from casita.errors import CasitaError
from casita.terminal import ConnectionOption

app = typer.Typer()


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
