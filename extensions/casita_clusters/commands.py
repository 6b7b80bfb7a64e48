"""``casita clusters list|options|limits|create|rename|scale|adapt|stop|logs``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from casita.client import connection
from casita.errors import CasitaError, MissingError
from casita.terminal import ConnectionOption, JsonOption, YesOption, print_json
from casita_clusters import engine
from casita_clusters.client import Clusters
from casita_clusters.models import Cluster, ClusterLogs, Option

FOLLOWED_LINES = 500
"""How much of a log is looked at each second while it is followed."""

COLUMNS = ("name", "label", "status", "workers", "cores", "memory", "tasks", "age", "idle")
NUMBERS = ("workers", "cores", "tasks")

app = typer.Typer(help="Dask clusters: list, start, scale, stop.", no_args_is_help=True)
NameArgument = Annotated[
    str, typer.Argument(help="Name or label of the cluster, or the beginning of either.")
]


@contextmanager
def _clusters(state: Path | None) -> Iterator[Clusters]:
    found = connection(state)
    with found.http() as http:
        yield Clusters(http, found.gateway)


def _size(number: int | None) -> str:
    return "?" if number is None else f"{number / 2**30:.4g} GiB"


@app.command("list")
def list_clusters(state: ConnectionOption = None, as_json: JsonOption = False) -> None:
    """List your clusters, wherever they were made.

    Example: `casita clusters list`
    """
    with _clusters(state) as clusters:
        found = clusters.list()
    if as_json:
        print_json(found)
        return
    if not found:
        typer.echo("no clusters; `casita clusters create --workers 2` starts one")
        return
    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(
            column, justify="right" if column in NUMBERS else "left", no_wrap=column == "name"
        )
    now = datetime.now(UTC)
    for one in found:
        table.add_row(*_row(one, now))
    # Whatever reads it by a pipe wants a line for each cluster, whole.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _row(one: Cluster, now: datetime) -> tuple[str, ...]:
    tasks = one.tasks
    return (
        one.name,
        escape(one.label),
        one.status,
        "?" if one.workers is None else str(one.workers),
        "?" if one.cores is None else str(one.cores),
        _size(one.memory),
        "?" if tasks is None else str(tasks.waiting + tasks.processing),
        engine.age(one.started, now),
        f"{engine.age(now, one.idle_ends)} left" if one.idle_ends else "-",
    )


@app.command()
def options(state: ConnectionOption = None, as_json: JsonOption = False) -> None:
    """Show what can be chosen for a new cluster.

    Example: `casita clusters options`
    """
    with _clusters(state) as clusters:
        found = clusters.options()
    if as_json:
        typer.echo(json.dumps([one.model_dump(exclude_none=True) for one in found], indent=2))
        return
    for one in found:
        shown = one.default if one.default != "" else "none"
        typer.echo(f"{one.field:<16} {one.label} ({_bounds(one)}default {shown})")


def _bounds(option: Option) -> str:
    if option.choices:
        return f"{', '.join(option.choices)}; "
    if option.min is None or option.max is None:
        return ""
    return f"{option.min:g} to {option.max:g}; "


@app.command()
def limits(state: ConnectionOption = None, as_json: JsonOption = False) -> None:
    """Show how much you use and may use.

    Example: `casita clusters limits`
    """
    with _clusters(state) as clusters:
        found = clusters.limits()
    if as_json:
        print_json(found)
        return
    typer.echo(f"clusters  {found.clusters.used} of {found.clusters.limit}")
    typer.echo(f"cores     {found.cores.used} of {found.cores.limit}")
    typer.echo(f"memory    {_size(found.memory.used)} of {_size(found.memory.limit)}")


@app.command()
def create(
    workers: Annotated[int, typer.Option(min=0, help="Workers to start with.")] = 0,
    adapt: Annotated[
        str, typer.Option(metavar="MIN:MAX", help="As many workers as the load wants.")
    ] = "",
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            "-o",
            metavar="NAME=VALUE",
            help="As `casita clusters options` lists them; can be repeated.",
        ),
    ] = None,
    label: Annotated[
        str, typer.Option("--name", help="What you call it; shown wherever it is listed.")
    ] = "",
    wait: Annotated[bool, typer.Option(help="Wait until the workers are there.")] = True,
    state: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start a cluster.

    Example: `casita clusters create --workers 4 --name fit -o worker_memory=4`
    """
    if workers and adapt:
        raise CasitaError("--workers and --adapt exclude each other", hint="give one of them")
    bounds = engine.parse_range(adapt) if adapt else None
    console = Console(stderr=True)
    with _clusters(state) as clusters, console.status("starting the scheduler") as status:
        chosen = engine.parse_options(option, clusters.options()) if option else {}
        if label:
            chosen["label"] = label
        name = clusters.create(chosen)
        try:
            cluster = clusters.wait(name)
            if bounds:
                clusters.adapt(name, *bounds)
            elif workers:
                clusters.scale(name, workers)
            if wait and workers:
                cluster = _with_workers(clusters, name, workers, status)
        except BaseException:  # Ctrl-C, too: nobody would know of it
            clusters.abandon(name)
            raise
    _print_created(cluster, as_json)


def _with_workers(clusters: Clusters, name: str, workers: int, status: Status) -> Cluster:
    def tick(cluster: Cluster) -> None:
        status.update(f"{cluster.workers or 0} of {workers} workers")

    return clusters.wait(name, workers, tick=tick)


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
def rename(
    name: NameArgument,
    label: Annotated[str, typer.Argument(help='What it shall be called; "" takes that away.')],
    state: ConnectionOption = None,
) -> None:
    """Give a cluster a name for people.

    Example: `casita clusters rename 1f3a fit`
    """
    with _clusters(state) as clusters:
        cluster = engine.pick(clusters.list(), name)
        clusters.rename(cluster.name, label)
    typer.echo(f"{cluster.name} is called {label}" if label else f"{cluster.name} has no label")


@app.command()
def scale(
    name: NameArgument,
    workers: Annotated[int, typer.Argument(min=0, help="How many it shall have.")],
    state: ConnectionOption = None,
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
    bounds: Annotated[str, typer.Argument(metavar="MIN:MAX", help='Or "off".')],
    state: ConnectionOption = None,
) -> None:
    """Let the number of workers follow the load.

    Example: `casita clusters adapt 1f3a 0:4`
    """
    with _clusters(state) as clusters:
        cluster = engine.pick(clusters.list(), name)
        if bounds == "off":
            clusters.adapt(cluster.name, 0, 0, active=False)
            typer.echo(f"{cluster.name} keeps the workers that it has")
            return
        minimum, maximum = engine.parse_range(bounds)
        clusters.adapt(cluster.name, minimum, maximum)
        most = engine.most_workers(cluster, clusters.limits())
    within = "" if maximum <= most else f"; your limits allow {most}"
    typer.echo(f"{cluster.name} has {minimum} to {maximum} workers, as needed{within}")


@app.command()
def stop(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names, labels or their beginnings.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All of yours.")] = False,
    yes: YesOption = False,
    state: ConnectionOption = None,
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
            if not sys.stdin.isatty():
                raise CasitaError(f"this stops {len(chosen)} clusters", hint="say so with --yes")
            typer.confirm(f"Stop {len(chosen)} clusters?", abort=True)
        for cluster in chosen:
            clusters.stop(cluster.name)
            typer.echo(f"{cluster.name} stops")


@app.command()
def logs(
    name: NameArgument,
    process: Annotated[str, typer.Option(help="Only this one, e.g. `scheduler`.")] = "",
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, max=5000, help="From the end of each log.")
    ] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they grow.")] = False,
    state: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the logs of a cluster's processes, also of one that failed.

    Example: `casita clusters logs 1f3a --process scheduler`
    """
    with _clusters(state) as clusters:
        # One that failed is not in the list, but its whole name finds its logs.
        full = _full_name(clusters.list(), name)
        found = clusters.logs(full, FOLLOWED_LINES if follow else lines)
        if as_json:
            print_json(found)
            return
        if found.reason:
            typer.echo(f"failed: {found.reason}")
        seen = _print_logs(found, process, lines)
        while follow and found.status in ("PENDING", "RUNNING"):
            time.sleep(1)
            found = clusters.logs(full, FOLLOWED_LINES)
            seen = _print_logs(found, process, lines, seen)


def _full_name(running: list[Cluster], name: str) -> str:
    try:
        return engine.pick(running, name).name
    except MissingError:
        return name


def _print_logs(
    found: ClusterLogs, process: str, lines: int, seen: dict[str, list[str]] | None = None
) -> dict[str, list[str]]:
    """Print the end of every log, later only what came since; returns what was looked at."""
    now = {one.process: one.text.splitlines() for one in found.logs}
    for name, text in now.items():
        fresh = text[-lines:] if seen is None else engine.new_lines(seen.get(name, []), text)
        for line in fresh if name.startswith(process) else ():
            typer.echo(f"{name[:15]}  {line}")
    return now
