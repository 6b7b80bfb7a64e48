"""``casita config init|show|validate|schema``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from casita.backend import load_backends
from casita.config import FacilityConfig, load
from casita.errors import ConfigError
from casita.terminal import JsonOption

app = typer.Typer(help="Write, check and show casita.toml.", no_args_is_help=True)
FileArgument = Annotated[Path, typer.Argument(help="The configuration file.")]
DEFAULT = Path("casita.toml")


@app.command()
def init(
    path: FileArgument = DEFAULT,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented casita.toml in which everything is at its default.

    Example: `casita config init`
    """
    from casita.config.reference import commented
    from casita.files import write_atomic

    if path.exists() and not force:
        raise ConfigError(f"{path} exists", hint="say --force to overwrite it")
    write_atomic(path, commented(), mode=0o644)
    typer.echo(f"wrote {path}; `casita config validate {path}` checks your changes")


@app.command()
def show(path: FileArgument = DEFAULT, as_json: JsonOption = False) -> None:
    """Print the configuration with all defaults filled in.

    Example: `casita config show casita.toml`
    """
    import tomli_w

    config = load(path if path.exists() or path != DEFAULT else None, load_backends())
    values = config.model_dump(mode="json", exclude_none=True)
    typer.echo(json.dumps(values, indent=2) if as_json else tomli_w.dumps(values))


@app.command()
def validate(path: FileArgument = DEFAULT) -> None:
    """Check a file; a mistake is named with line, key and allowed values.

    Example: `casita config validate casita.toml`
    """
    load(path, load_backends())
    typer.echo(f"{path} is valid")


@app.command()
def schema() -> None:
    """Print the JSON schema, for editors and charts.

    Example: `casita config schema > casita.schema.json`
    """
    typer.echo(json.dumps(FacilityConfig.model_json_schema(), indent=2))
