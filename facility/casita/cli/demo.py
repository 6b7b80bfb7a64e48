"""``casita demo``: the main job, end to end."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from casita.errors import DataError
from casita.site import default_state, open_site
from casita.terminal import JsonOption, StateOption

if TYPE_CHECKING:
    from casita.demo.job import Outcome
    from casita.demo.steps import Steps

app = typer.Typer()


@app.command()
def demo(
    data: Annotated[
        str, typer.Option(help="File, directory, glob, root:// or https://. Default: real samples.")
    ] = "",
    events: Annotated[
        int, typer.Option(min=0, help="Make so many events from a real sample, and use those.")
    ] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Workers of the Dask cluster.")] = 2,
    config: Annotated[
        Path | None, typer.Option("--config", help="casita.toml; default: none, all defaults.")
    ] = None,
    allow_root: Annotated[
        bool, typer.Option("--allow-root", help="Let the facility run as root.")
    ] = False,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """From real data to a histogram: start a facility and run a top-quark analysis in it.

    Example: `casita demo`

    Example: `casita demo --events 100000`

    Example: `casita demo --data '/data/ttbar/*.root' --workers 4`
    """
    if data and events:
        raise DataError("--events and --data exclude each other", hint="give one of them")
    from casita.backend import load_backends
    from casita.config import load
    from casita.demo import job
    from casita.demo.steps import Steps

    console = Console(stderr=as_json, highlight=False)
    steps = Steps(console)
    outcome = job.run(
        load(config, load_backends()),
        (state or default_state()).absolute(),
        steps,
        data=data,
        events=events,
        workers=workers,
        allow_root=allow_root,
    )
    if as_json:
        typer.echo(json.dumps(outcome.to_json(), indent=2))
    else:
        _print(outcome, steps, console, state)


def _print(outcome: Outcome, steps: Steps, console: Console, state: Path | None) -> None:
    from casita.hub.once import new_login_link

    console.print(f"{steps.total:7.1f} s  all together\n")
    table = Table(box=None, pad_edge=False)
    for name in ("selected events", "of", "4j1b", "4j2b"):
        table.add_column(name, justify="left" if name == "selected events" else "right")
    for title, row in outcome.yields.items():
        numbers = (f"{int(row[name]):,}" for name in ("events", "4j1b", "4j2b"))
        table.add_row(title, *numbers)
    console.print(table)
    same = "identical to" if outcome.identical else "DIFFERENT from"
    console.print(f"The cluster's histograms are {same} those of a single process.\n")
    site = open_site((state or default_state()).absolute())
    link = new_login_link(site, f"/user/{outcome.user}/lab/tree/{Path(outcome.notebook).name}")
    option = f" --state {state}" if state else ""
    # In a checkout it is not on PATH.
    casita = "casita" if shutil.which("casita") else os.path.relpath(f"{sys.prefix}/bin/casita")
    for name, value in (
        ("plot", outcome.plot),
        ("notebook", outcome.notebook),
        ("facility", f"{outcome.url}, still running; user {outcome.user}"),
        ("log in once", link),
        ("later", f"`{casita} link{option}` logs in again, `{casita} down{option}` stops it all"),
    ):
        console.print(f"{name:<12}{escape(value)}", soft_wrap=True)
