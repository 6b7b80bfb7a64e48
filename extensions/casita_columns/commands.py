"""``casita columns submit|get|ls|show|cancel|again|rm|look|datasets|codegens``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from casita.client import connection
from casita.errors import CasitaError, ServiceError
from casita.progress import progress
from casita.terminal import (
    ConnectionOption,
    DetachOption,
    JsonOption,
    YesOption,
    minute,
    new_table,
    print_json,
)
from casita.units import format_size
from casita_columns.client import Columns
from casita_columns.delivery import Follower, submitted, trouble_of
from casita_columns.models import Look, LookRequest, RequestState

app = typer.Typer(
    help="Columns of datasets, delivered as small files (ServiceX).", no_args_is_help=True
)
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The request; its first letters do.")]
FolderOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="DIR", help="Fetch the files into a folder of DIR."),
]
LATELY = 20


@contextmanager
def _columns(state: Path | None) -> Iterator[Columns]:
    with connection(state).http() as http:
        yield Columns(http)


def _found(columns: Columns, identifier: str) -> str:
    """Return the whole name of a request that is named by its first letters."""
    if len(identifier) >= 36:
        return identifier
    fitting = [one.id for one in columns.requests(1000) if one.id.startswith(identifier)]
    if len(fitting) != 1:
        raise CasitaError(
            f"{len(fitting)} of your requests begin with {identifier!r}",
            hint="`casita columns ls` lists them",
        )
    return fitting[0]


# ---- asking


@app.command()
def submit(
    spec: Annotated[
        Path, typer.Argument(metavar="SPEC", help="YAML file, as for `servicex deliver`.")
    ],
    output: FolderOption = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Read all files, though it was asked for before.")
    ] = False,
    detach: DetachOption = False,
    state: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask for columns and wait until they are there. Ctrl-C cancels.

    Example: `casita columns submit ttbar.yaml --output columns`
    """
    from casita_columns.specification import requests_of

    bodies = requests_of(spec)
    for one in bodies:
        one["fresh"] = fresh or one.get("fresh", False)
    with connection(state).http() as http:
        columns = Columns(http)
        requests = submitted(columns, bodies)
        if not detach:
            requests = [_awaited(columns, one) for one in requests]
        if output and not detach:
            for request in requests:
                _fetch(http, request, output)
        _tell(columns, requests, as_json=as_json, detach=detach)


def _tell(
    columns: Columns, requests: Sequence[RequestState], *, as_json: bool, detach: bool
) -> None:
    if as_json:
        print_json(requests)
    else:
        for one in requests:
            typer.echo(f"{one.id}  {one.title or one.did}: {_progress(one)}")
    if not detach:
        message, hint = trouble_of(columns, requests)
        if message:
            raise ServiceError(message, hint=hint)


def _awaited(columns: Columns, request: RequestState) -> RequestState:
    """Follow a request to its end; cancel it if we are interrupted."""
    shown = 0
    try:
        with progress(request.title or request.id, request.files or None, unit="files") as advance:
            for one in columns.follow(request.id):
                request = one
                done = one.completed + one.failed
                advance(done - shown, one.files or None)
                shown = done
    except KeyboardInterrupt:
        columns.cancel(request.id)
        raise
    return request


class _Quiet:
    def show(self, request: RequestState, fetched: int) -> None:
        """Show nothing: the terminal has a bar of its own."""

    def end(self) -> None:
        """Do nothing."""


def _fetch(http: Any, request: RequestState, folder: Path) -> Path:
    """Fetch a request's files; returns the folder in which they are."""
    follower = Follower(http, request, folder, _Quiet())
    follower.run()
    return follower.folder


@app.command()
def get(
    identifier: IdArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where their folder is made.")
    ] = Path(),
    state: ConnectionOption = None,
) -> None:
    """Fetch the files of a request, waiting for it if need be.

    Example: `casita columns get 1f38 --output columns`
    """
    with connection(state).http() as http:
        columns = Columns(http)
        request: RequestState = columns.request(_found(columns, identifier))
        if not request.done:
            request = _awaited(columns, request)
        folder = _fetch(http, request, output)
        typer.echo(f"{request.completed} files, {format_size(request.size)}: {folder}")
        message, hint = trouble_of(columns, [request])
        if message:
            raise ServiceError(message, hint=hint)


# ---- looking


def _progress(one: RequestState) -> str:
    failed = f", {one.failed} failed" if one.failed else ""
    cached = ", was there already" if one.cached else ""
    state = "" if one.state in ("Complete", "Running") else f"{one.state}: "
    return f"{state}{one.completed} of {one.files} files{failed}, {format_size(one.size)}{cached}"


@app.command("ls")
def list_requests(
    every: Annotated[bool, typer.Option("--all", "-a", help="Not only the latest.")] = False,
    state: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """List your requests, the latest first.

    Example: `casita columns ls`
    """
    with _columns(state) as columns:
        found = columns.requests(1000 if every else LATELY)
    if as_json:
        print_json(found)
        return
    numbers = ("files", "failed", "events", "size")
    table = new_table("id", "state", "submitted", *numbers, "title", numbers=numbers)
    for one in found:
        table.add_row(
            one.id[:8],
            one.state + (" (reused)" if one.cached else ""),
            minute(one.submitted),
            f"{one.completed}/{one.files}",
            str(one.failed or ""),
            f"{one.events:,}",
            format_size(one.size),
            Text(one.title or one.did),
        )
    Console().print(table)


@app.command()
def show(
    identifier: IdArgument, state: ConnectionOption = None, as_json: JsonOption = False
) -> None:
    """Show one request, and what went wrong with its files.

    Example: `casita columns show 1f38`
    """
    with _columns(state) as columns:
        one = columns.request(_found(columns, identifier))
    if as_json:
        print_json(one)
        return
    table = new_table("", " ")
    rows = {
        "id": one.id,
        "title": one.title,
        "dataset": one.did,
        "query": f"{one.codegen}, as {one.format}",
        "state": one.state + (f": {one.trouble}" if one.trouble else ""),
        "files": _progress(one),
        "events": f"{one.events_in:,} read, {one.events:,} delivered",
        "submitted": minute(one.submitted),
    }
    for name, text in rows.items():
        table.add_row(name, Text(text))
    Console().print(table)
    for failure in one.failures:
        typer.echo(f"\n{failure.path}\n  {failure.message}")
        for line in failure.lines:
            typer.echo(f"  | {line}")


@app.command()
def look(
    what: Annotated[
        list[str], typer.Argument(metavar="DATASET", help="A dataset's name, or files.")
    ],
    tree: Annotated[str, typer.Option(help="Show the columns of this tree.")] = "",
    state: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show trees and columns of a dataset, as its first file has them.

    Example: `casita columns look root://xrootd.example.org//store/nano.root`
    """
    with _columns(state) as columns:
        found = columns.look(_meant(what))
    if as_json:
        print_json(found)
        return
    _show_trees(found, tree)


def _meant(what: Sequence[str]) -> LookRequest:
    """Return one dataset's name, or files: those with another scheme than servers'."""
    files = ("/", "root:", "roots:", "xroot:", "http:", "https:", "davs:")
    if len(what) == 1 and not what[0].startswith(files):
        return LookRequest(did=what[0])
    return LookRequest(files=list(what))


def _show_trees(found: Look, tree: str) -> None:
    typer.echo(f"{found.path} ({found.files} files)")
    for one in found.trees:
        size = sum(branch.bytes for branch in one.branches)
        typer.echo(
            f"{one.name}: {one.kind}, {one.entries:,} entries, {len(one.branches)} columns, "
            f"{format_size(size)} each"
        )
        if tree == one.name or (not tree and len(found.trees) == 1):
            table = new_table("bytes", "type", "column", numbers=("bytes",))
            for branch in one.branches:
                table.add_row(f"{branch.bytes:.1f}", Text(branch.type), Text(branch.name))
            Console().print(table)


@app.command()
def datasets(state: ConnectionOption = None, as_json: JsonOption = False) -> None:
    """List the datasets that were looked up for you.

    Example: `casita columns datasets`
    """
    with _columns(state) as columns:
        found = columns.datasets()
    if as_json:
        print_json(found)
        return
    numbers = ("files", "size")
    table = new_table("id", "finder", *numbers, "looked up", "name", numbers=numbers)
    for one in found:
        trouble = f"  [{one.trouble or one.state}]" if one.state != "complete" else ""
        table.add_row(
            str(one.id),
            one.finder,
            str(one.files),
            format_size(one.size) if one.size else "",
            minute(one.updated),
            Text(one.name + trouble),
        )
    Console().print(table)


@app.command()
def codegens(state: ConnectionOption = None, as_json: JsonOption = False) -> None:
    """List code generators, finders, and what you may have.

    Example: `casita columns codegens`
    """
    with _columns(state) as columns:
        about = columns.about()
    if as_json:
        print_json(about)
        return
    table = new_table("name", "what", "where")
    for one in about.codegens:
        table.add_row(one.name, one.title, one.where)
    Console().print(table)
    typer.echo(f"finders: {', '.join(about.finders)}")
    typer.echo(f"results: {format_size(about.usage)} of {format_size(about.quota)}")


# ---- changing


@app.command()
def cancel(identifier: IdArgument, state: ConnectionOption = None) -> None:
    """Stop a request; what is delivered stays.

    Example: `casita columns cancel 1f38`
    """
    with _columns(state) as columns:
        whole = _found(columns, identifier)
        columns.cancel(whole)
    typer.echo(f"{whole} was cancelled")


@app.command()
def again(identifier: IdArgument, state: ConnectionOption = None) -> None:
    """Ask for the same once more; all files are read anew.

    Example: `casita columns again 1f38`
    """
    with _columns(state) as columns:
        made = columns.again(_found(columns, identifier))
    typer.echo(made.id)


@app.command()
def rm(
    identifiers: Annotated[list[str], typer.Argument(metavar="ID...", help="The requests.")],
    yes: YesOption = False,
    state: ConnectionOption = None,
) -> None:
    """Forget requests and remove what they delivered.

    Example: `casita columns rm 1f38 84aa`
    """
    with _columns(state) as columns:
        whole = [_found(columns, one) for one in identifiers]
        if not yes:
            typer.confirm(f"Remove {len(whole)} requests and their files?", abort=True, err=True)
        for one in whole:
            columns.delete(one)
    typer.echo(f"{len(whole)} requests were removed")
