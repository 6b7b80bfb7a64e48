"""The command line ``casita``: one typer application, a module per group of commands.

Light on purpose: nothing here imports pyarrow, coffea or JupyterHub until a command needs it.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any, NoReturn

import typer

from casita.backend import load_backends
from casita.cli import config, data, demo, facility, login, run, storage, tokens
from casita.errors import CasitaError

UsageError: Any = typer.BadParameter.__base__
"""Of the click that typer uses: newer typers bring their own, without a public name for it."""

app = typer.Typer(
    name="casita",
    help="An analysis facility: JupyterHub, JupyterLab and Dask Gateway on one machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def build() -> typer.Typer:
    """Return the application with the commands of every installed backend."""
    for part in (facility, login, run, demo):
        app.registered_commands += part.app.registered_commands
    tokens.app.registered_commands += storage.app.registered_commands
    app.add_typer(tokens.app, name="token")
    app.add_typer(config.app, name="config")
    app.add_typer(data.app, name="data")
    for backend in load_backends().values():
        if backend.commands:
            module, _, attribute = backend.commands.partition(":")
            app.add_typer(getattr(importlib.import_module(module), attribute), name=backend.name)
    return app


def main() -> None:
    """Run the command line; errors are one line and a hint on stderr, exit status 1."""
    try:
        status = build()(standalone_mode=False)
    except CasitaError as error:
        _fail(error.message, error.hint)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("casita"):
            raise  # a defect of ours, not an extra left out
        _fail(
            f"this command needs {error.name}, which is not installed here",
            "pip install 'casita[all]'; a terminal outside the facility needs only 'casita'",
        )
    except UsageError as error:
        error.show()
        sys.exit(error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        typer.echo("stopped", err=True)
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str, hint: str) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    if hint:
        typer.echo(f"hint: {hint}", err=True)
    sys.exit(1)
