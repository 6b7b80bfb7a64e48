"""``casita data list|fetch|generate|remove``."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from casita.data import data_directory
from casita.data.catalogue import GENERATED, OPEN_DATA, SAMPLES, Sample, entries, find
from casita.errors import DataError
from casita.progress import progress
from casita.terminal import JsonOption, StateOption, YesOption
from casita.units import format_size

app = typer.Typer(help="Datasets: list, fetch, generate, remove.", no_args_is_help=True)


class Format(StrEnum):
    """File formats that can be written."""

    root = "root"
    parquet = "parquet"


@app.command("list")
def list_data(state: StateOption = None, as_json: JsonOption = False) -> None:
    """List the catalogue and what is here.

    Example: `casita data list`
    """
    directory = data_directory(state)
    found = entries(directory)
    if as_json:
        typer.echo(json.dumps([asdict(one) | {"here": one.here} for one in found], indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("name", "events", "here", "what"):
        table.add_column(name, justify="right" if name in ("events", "here") else "left")
    for one in found:
        size = format_size(one.size) if one.here else "-"
        table.add_row(one.name, f"{one.events:,}", size, one.title)
    console = Console(highlight=False)
    console.print(table)
    console.print(f"\nin {directory}", soft_wrap=True)


@app.command()
def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(help="As `casita data list` shows; default: the samples.")
    ] = None,
    files: Annotated[
        int, typer.Option(min=1, help="How many files of a large public dataset (1 to 3 GB each).")
    ] = 1,
    state: StateOption = None,
) -> None:
    """Bring datasets here, checked by sha256.

    Example: `casita data fetch`

    Example: `casita data fetch agc_ttbar --files 2`
    """
    from casita.data.fetch import fetch_open_data, fetch_samples

    directory = data_directory(state)
    wanted = [find(name) for name in names or [one.name for one in SAMPLES]]
    samples = [one for one in wanted if isinstance(one, Sample)]
    with progress("fetching", unit="bytes") as advance:
        paths = fetch_samples(samples, directory, advance) if samples else []
        for remote in wanted:
            if not isinstance(remote, Sample):
                paths += fetch_open_data(remote, files, directory, advance)
    for path in paths:
        typer.echo(path)


@app.command()
def generate(
    name: Annotated[str, typer.Argument(help="What to call it.")] = "ttbar",
    events: Annotated[int, typer.Option(min=1, help="In all files together.")] = 100_000,
    files: Annotated[int, typer.Option(min=1, help="How many files to make.")] = 2,
    source: Annotated[
        str, typer.Option(help="A real NanoAOD ROOT file, or a sample of the catalogue.")
    ] = SAMPLES[0].name,
    file_format: Annotated[Format, typer.Option("--format", help="Of the files.")] = Format.root,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same events.")] = 1,
    branches: Annotated[
        str, typer.Option(help="Regular expression: only these branches. Default: all.")
    ] = "",
    state: StateOption = None,
) -> None:
    """Make as many events as you like out of a few real ones.

    Sizes and compression are those of the real file; the statistical power stays that of its
    events. A broken run goes on where it stopped.

    Example: `casita data generate big --events 1000000 --files 10`
    """
    from casita.data.generate import Plan
    from casita.data.generate import generate as make

    directory = data_directory(state)
    path = _source(source, directory)
    plan = Plan(str(path), events, files, file_format.value, seed, branches)
    with progress(f"generating {name}", events) as advance:
        made = make(plan, name, directory, advance)
    size = format_size(sum(file.stat().st_size for file in made))
    typer.echo(f"{events:,} events in {len(made)} files ({size}) in {made[0].parent}")


def _source(text: str, directory: Path) -> Path:
    from casita.data.fetch import fetch_samples
    from casita.data.inputs import inspect

    known = {one.name: one for one in SAMPLES}
    if text in known:
        with progress(f"fetching {text}", unit="bytes") as advance:
            return fetch_samples([known[text]], directory, advance)[0]
    path = Path(text).expanduser().absolute()
    if path.suffix != ".root" or not path.is_file():
        raise DataError(
            f"{text}: neither a ROOT file nor a sample", hint=f"samples: {', '.join(known)}"
        )
    inspect(str(path))
    return path


@app.command()
def remove(
    names: Annotated[list[str], typer.Argument(help="As `casita data list` shows.")],
    yes: YesOption = False,
    state: StateOption = None,
) -> None:
    """Delete datasets from this machine.

    Example: `casita data remove big`
    """
    directory = data_directory(state)
    here = {one.name: one for one in entries(directory)}
    for name in names:
        if name not in here or not (here[name].here or (directory / GENERATED / name).is_dir()):
            raise DataError(f"{name!r} is not here", hint="`casita data list` shows what is")
    size = format_size(sum(here[name].size for name in names))
    if not yes:
        typer.confirm(f"Delete {', '.join(names)} ({size})?", abort=True)
    folders = {one.name: directory / one.name for one in OPEN_DATA}
    for name in names:
        folder = folders.get(name, directory / GENERATED / name)
        if folder.is_dir():
            shutil.rmtree(folder)
        else:
            Path(here[name].files[0]).unlink()
    typer.echo(f"{size} freed")
