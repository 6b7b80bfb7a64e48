"""``casita clusters list|options|limits|create|scale|adapt|stop|logs``."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from casita.client import connection
from casita.errors import CasitaError
from casita_clusters import engine
from casita_clusters.client import Clusters
from casita_clusters.models import Cluster

app = typer.Typer(help="Dask clusters: list, start, scale, stop.", no_args_is_help=True)
StateOption = Annotated[
    Path | None,
    typer.Option("--state", envvar="CASITA_STATE", help="State directory of the facility meant."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
NameArgument = Annotated[str, typer.Argument(help="Name of the cluster, or its beginning.")]


@contextmanager
def _clusters(state: Path | None) -> Iterator[Clusters]:
    found = connection(state)
    with found.http() as http:
        yield Clusters(http, found.gateway)


def _size(number: int | None) -> str:
    return "?" if number is None else f"{number / 2**30:.4g} GiB"


@app.command("list")
def list_clusters(state: StateOption = None, as_json: JsonOption = False) -> None:
    """List your clusters, wherever they were made.

    Example: `casita clusters list`
    """
    with _clusters(state) as clusters:
        found = clusters.list()
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in found], indent=2))
        return
    if not found:
        typer.echo("no clusters; `casita clusters create --workers 2` starts one")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "status", "workers", "cores", "memory", "age"):
        table.add_column(column, justify="right" if column in ("workers", "cores") else "left")
    now = datetime.now(UTC)
    for one in found:
        table.add_row(
            one.name,
            one.status,
            "?" if one.workers is None else str(one.workers),
            "?" if one.cores is None else str(one.cores),
            _size(one.memory),
            engine.age(one.started, now),
        )
    Console().print(table)


@app.command()
def options(state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show what can be chosen for a new cluster.

    Example: `casita clusters options`
    """
    with _clusters(state) as clusters:
        found = clusters.options()
    if as_json:
        typer.echo(json.dumps([one.model_dump(exclude_none=True) for one in found], indent=2))
        return
    for one in found:
        bounds = ", ".join(one.choices or []) or f"{one.min:g} to {one.max:g}"
        typer.echo(f"{one.field:<16} {one.label} ({bounds}; default {one.default})")


@app.command()
def limits(state: StateOption = None, as_json: JsonOption = False) -> None:
    """Show how much you use and may use.

    Example: `casita clusters limits`
    """
    with _clusters(state) as clusters:
        found = clusters.limits()
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    typer.echo(f"clusters  {found.clusters.used} of {found.clusters.limit}")
    typer.echo(f"cores     {found.cores.used} of {found.cores.limit}")
    typer.echo(f"memory    {_size(found.memory.used)} of {_size(found.memory.limit)}")


@app.command()
def create(
    workers: Annotated[int, typer.Option(min=0, help="Workers to start with.")] = 0,
    adapt: Annotated[str, typer.Option(help="MIN:MAX workers, following the load.")] = "",
    option: Annotated[
        list[str] | None, typer.Option("--option", "-o", help="NAME=VALUE; can be repeated.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait until the workers are there.")] = True,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start a cluster.

    Example: `casita clusters create --workers 4 -o worker_memory=4`
    """
    bounds = engine.parse_range(adapt) if adapt else None
    console = Console(stderr=True)
    with _clusters(state) as clusters, console.status("starting the scheduler") as status:
        chosen = engine.parse_options(option or [], clusters.options()) if option else {}
        name = clusters.create(chosen)
        cluster = clusters.wait(name)
        try:
            if bounds:
                clusters.adapt(name, *bounds)
            elif workers:
                clusters.scale(name, workers)
        except CasitaError:
            clusters.stop(name)
            raise
        if wait and workers and not bounds:
            cluster = clusters.wait(
                name,
                workers,
                tick=lambda one: status.update(f"{one.workers or 0} of {workers} workers"),
            )
    _print_created(cluster, as_json)


def _print_created(cluster: Cluster, as_json: bool) -> None:
    if as_json:
        shown = cluster.model_dump(include={"name", "status", "workers", "dashboard"})
        typer.echo(json.dumps(shown, indent=2))
        return
    typer.echo(f"{cluster.name} is {cluster.status} with {cluster.workers or 0} workers")
    typer.echo(f"dashboard  {cluster.dashboard}")
    typer.echo(
        f'in Python  from casita_clusters import connect; client = connect("{cluster.name}")'
    )


@app.command()
def scale(
    name: NameArgument,
    workers: Annotated[int, typer.Argument(min=0)],
    state: StateOption = None,
) -> None:
    """Set the number of workers.

    Example: `casita clusters scale 1f3a 4`
    """
    with _clusters(state) as clusters:
        cluster = engine.pick(clusters.list(), name)
        remark = clusters.scale(cluster.name, workers)
    typer.echo(remark or f"{cluster.name} goes to {workers} workers")


@app.command()
def adapt(
    name: NameArgument,
    bounds: Annotated[str, typer.Argument(help='MIN:MAX, or "off".')],
    state: StateOption = None,
) -> None:
    """Let the number of workers follow the load.

    Example: `casita clusters adapt 1f3a 0:4`
    """
    with _clusters(state) as clusters:
        cluster = engine.pick(clusters.list(), name)
        if bounds == "off":
            remark = clusters.adapt(cluster.name, 0, 0, active=False)
            typer.echo(remark or f"{cluster.name} stays as it is")
            return
        minimum, maximum = engine.parse_range(bounds)
        remark = clusters.adapt(cluster.name, minimum, maximum)
    typer.echo(remark or f"{cluster.name} has {minimum} to {maximum} workers, as needed")


@app.command()
def stop(
    names: Annotated[list[str] | None, typer.Argument(help="Names or beginnings.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of yours.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    state: StateOption = None,
) -> None:
    """Stop clusters; their running work is lost.

    Example: `casita clusters stop 1f3a`
    """
    if not names and not every:
        raise CasitaError("which cluster?", hint="give a name, or --all")
    with _clusters(state) as clusters:
        mine = clusters.list()
        chosen = mine if every else [engine.pick(mine, name) for name in names or []]
        if len(chosen) > 1 and not yes:
            typer.confirm(f"Stop {len(chosen)} clusters?", abort=True)
        for cluster in chosen:
            clusters.stop(cluster.name)
            typer.echo(f"{cluster.name} stops")


@app.command()
def logs(
    name: NameArgument,
    process: Annotated[str, typer.Option(help="Only this one, e.g. `scheduler`.")] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=5000)] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they grow.")] = False,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the logs of a cluster's processes, also of one that failed.

    Example: `casita clusters logs 1f3a --process scheduler`
    """
    with _clusters(state) as clusters:
        running = [one for one in clusters.list() if one.name.startswith(name)]
        full = engine.pick(running, name).name if running else name
        found = clusters.logs(full, lines)
        if as_json:
            typer.echo(found.model_dump_json(indent=2))
            return
        if found.reason:
            typer.echo(f"failed: {found.reason}")
        shown: dict[str, list[str]] = {}
        while True:
            for one in found.logs:
                if one.process.startswith(process):
                    _print_new(one.process, one.text.splitlines(), shown)
            if not follow:
                return
            time.sleep(1)
            found = clusters.logs(full, 500)


def _print_new(process: str, now: list[str], shown: dict[str, list[str]]) -> None:
    """Print the lines that came since the last time."""
    before = shown.get(process, [])
    start = now.index(before[-1]) + 1 if before and before[-1] in now else 0
    for line in now[start:]:
        typer.echo(f"{process[:15]}  {line}")
    shown[process] = now
