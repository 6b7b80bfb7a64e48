"""``casita cache status|ls|stat|datasets|prefetch|jobs|cancel|pin|unpin|evict|purge``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
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
    seconds,
)
from casita.units import format_size
from casita_cache.client import Cache, targets
from casita_cache.models import DatasetState, FileState, Job, Targets

POLL_SECONDS = 0.3

app = typer.Typer(
    help="The cache of remote files: look, prefetch, pin, evict.", no_args_is_help=True
)
NamesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="WHAT...",
        help="Datasets; URLs of files, of folders (ending in /) or with * and ? in the last part; "
        "@FILE reads them from a file, one a line.",
    ),
]


@contextmanager
def _cache(state: Path | None) -> Iterator[Cache]:
    with connection(state).http() as http:
        yield Cache(http)


def _part(fraction: float | None) -> str:
    """Return a fraction in percent; 100 only of what is whole."""
    return "" if fraction is None else f"{int(100 * fraction)} %"


def _named(names: Iterable[str]) -> Targets:
    found = list[str]()
    for name in names:
        if not name.startswith("@"):
            found.append(name)
            continue
        try:
            lines = Path(name[1:]).read_text().splitlines()
        except (OSError, ValueError) as error:
            raise CasitaError(f"{name[1:]}: can't be read: {error}") from None
        found += [one.strip() for one in lines if one.strip() and not one.startswith("#")]
    return targets(found)


# ---- looking


@app.command()
def status(state: ConnectionOption = None, as_json: JsonOption = False) -> None:
    """Show every origin's cache: what it holds, hit ratio, network traffic saved.

    Example: `casita cache status`
    """
    with _cache(state) as cache:
        found = cache.status()
    if as_json:
        print_json(found)
        return
    sizes = ("files", "cached", "limit", "served", "hits", "saved")
    table = new_table("origin", "", *sizes, "address", numbers=sizes)
    for one in found.origins:
        table.add_row(
            one.name,
            "up" if one.up else "[red]down[/]",
            str(one.files),
            *(format_size(size) for size in (one.cached, one.size, one.served)),
            _part(one.hit_ratio),
            format_size(max(0, one.saved)),
            one.url,
        )
    Console().print(table)
    if found.lost:
        typer.echo(f"{found.lost} monitoring packets were lost: that much is not counted", err=True)


@app.command("ls")
def list_files(
    url: Annotated[
        str, typer.Argument(help="A folder at an origin.", show_default="all origins")
    ] = "",
    state: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """List a folder of an origin, with how much of each file is cached.

    Example: `casita cache ls root://eospublic.cern.ch//eos/opendata/cms/`
    """
    if not url:
        status(state, as_json)
        return
    with _cache(state) as cache:
        found = cache.listing(url)
    if as_json:
        print_json(found)
        return
    table = new_table(
        "cached", "size", "uses", "last use (UTC)", "", "name", numbers=("cached", "size")
    )
    for folder in found.folders:
        held = f"{folder.files} files" if folder.files else ""
        table.add_row(
            "",
            format_size(folder.cached) if folder.cached else "",
            "",
            "",
            "",
            Text(folder.path + "/"),
            held,
        )
    for one in found.files:
        _row(table, one)
    Console().print(table)
    if not found.complete:
        typer.echo("the origin does not answer: only what is cached is shown", err=True)


def _row(table: Table, one: FileState) -> None:
    table.add_row(
        _part(one.fraction),
        format_size(one.size),
        str(one.accesses or ""),
        minute(one.last_access),
        "pinned" if one.pinned else "",
        Text(one.path),
    )


@app.command()
def stat(
    url: Annotated[str, typer.Argument(help="A file at an origin, or a dataset.")],
    state: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how much of a file or dataset is cached, and when it was used.

    Example: `casita cache stat root://eospublic.cern.ch//eos/opendata/cms/a.root`
    """
    with _cache(state) as cache:
        found: FileState | DatasetState
        if "://" in url:
            found = cache.file(url)
        else:
            cache.fileset(url)  # says if there is none
            found = next(one for one in cache.datasets(url) if one.name == url)
    if as_json:
        print_json(found)
        return
    for name, value in found.model_dump().items():
        typer.echo(f"{name:<12} {_shown(name, value)}")


def _shown(name: str, value: object) -> str:
    if value is None:
        return "-"
    if name in ("size", "cached") and isinstance(value, int):
        return format_size(value)
    if name == "fraction" and isinstance(value, float):
        return _part(value)
    if name == "last_access" and isinstance(value, float):
        return f"{minute(value)} UTC"
    return (
        {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    )


@app.command()
def datasets(
    search: Annotated[
        list[str] | None, typer.Argument(help="Words in name or metadata.", show_default="all")
    ] = None,
    state: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the facility's datasets, with how much of each is cached.

    Example: `casita cache datasets ttbar`
    """
    with _cache(state) as cache:
        found = cache.datasets(" ".join(search or ()))
    if as_json:
        print_json(found)
        return
    if not found:
        typer.echo("no datasets" + (" with these words" if search else ""))
        return
    table = new_table(
        "dataset", "files", "size", "cached", "", "title", numbers=("files", "size", "cached")
    )
    for one in found:
        size = "?" if one.size is None else format_size(one.size)
        pinned = "pinned" if one.pinned else ""
        table.add_row(one.name, str(one.files), size, _part(one.fraction), pinned, Text(one.title))
    Console().print(table)


# ---- doing


@app.command()
def prefetch(
    what: NamesArgument,
    detach: DetachOption = False,
    state: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch files into the cache, so that the first read is fast, too. Ctrl-C stops it.

    Example: `casita cache prefetch ttbar`
    """
    with _cache(state) as cache:
        job = cache.prefetch(_named(what))
        _await(cache, job, detach=detach, as_json=as_json)


def _await(cache: Cache, job: Job, *, detach: bool, as_json: bool) -> None:
    if not detach:
        job = _followed(cache, job)
    if as_json:
        print_json(job)
    elif detach:
        typer.echo(f"{job.files} files are being fetched: `casita cache jobs`")
    else:
        seconds = max(0.001, (job.ended or time.time()) - job.started)
        size, rate = format_size(job.bytes_done), format_size(job.bytes_done / seconds)
        good = job.files_done - len(job.failures)
        typer.echo(f"{good} of {job.files} files, {size} in {seconds:.1f} s ({rate}/s)")
    if job.failures:
        first = job.failures[0]
        more = f" (and {len(job.failures) - 1} more)" if len(job.failures) > 1 else ""
        raise ServiceError(first.message + more, hint="the other files were fetched")


def _followed(cache: Cache, job: Job) -> Job:
    shown = 0
    with progress("prefetch", job.bytes or None, unit="bytes") as advance:
        try:
            while job.state == "running":
                time.sleep(POLL_SECONDS)
                job = cache.job(job.id)
                advance(job.bytes_done - shown, job.bytes)
                shown = job.bytes_done
        except KeyboardInterrupt:
            cache.cancel(job.id)
            raise
    return job


@app.command()
def jobs(state: ConnectionOption = None, as_json: JsonOption = False) -> None:
    """List your prefetches, the newest first.

    Example: `casita cache jobs`
    """
    with _cache(state) as cache:
        found = cache.prefetches()
    if as_json:
        print_json(found)
        return
    if not found:
        typer.echo("no prefetches")
        return
    table = new_table(
        "id", "state", "files", "fetched", "rate", "what", numbers=("files", "fetched", "rate")
    )
    for one in found:
        done = f"{one.files_done}/{one.files}"
        rate = f"{format_size(one.rate)}/s" if one.state == "running" else ""
        table.add_row(one.id, one.state, done, format_size(one.bytes_done), rate, Text(one.title))
    Console().print(table)


@app.command()
def cancel(
    job: Annotated[str, typer.Argument(help="As `casita cache jobs` shows it.")],
    state: ConnectionOption = None,
) -> None:
    """Stop a prefetch; what it has fetched stays.

    Example: `casita cache cancel 5ba43e3eb41b`
    """
    with _cache(state) as cache:
        cache.cancel(job)
    typer.echo(f"{job} is stopped")


@app.command()
def pin(what: NamesArgument, state: ConnectionOption = None, as_json: JsonOption = False) -> None:
    """Fetch files, and keep them through purges; needs the right `storage.stage`.

    Example: `casita cache pin ttbar`
    """
    with _cache(state) as cache:
        pinned = cache.pin(_named(what))
        if pinned.job:
            _await(cache, pinned.job, detach=False, as_json=as_json)
    if not as_json:
        typer.echo(f"{pinned.files} files are pinned: `casita cache unpin` ends that")


@app.command()
def unpin(what: NamesArgument, state: ConnectionOption = None) -> None:
    """Keep files through purges no longer; they stay until space is needed.

    Example: `casita cache unpin ttbar`
    """
    with _cache(state) as cache:
        typer.echo(f"{cache.unpin(_named(what)).files} files are pinned no longer")


@app.command()
def evict(
    what: NamesArgument,
    yes: YesOption = False,
    state: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove files from the cache, pinned ones excepted; needs the right `storage.stage`.

    Example: `casita cache evict root://eospublic.cern.ch//eos/opendata/cms/old/`
    """
    if not yes:
        typer.confirm(f"Remove {', '.join(what)} from the cache?", abort=True)
    with _cache(state) as cache:
        _removed(cache, _named(what), 0, as_json)


def _removed(cache: Cache, what: Targets, unused: float, as_json: bool) -> None:
    gone = cache.evict(what, unused)
    if as_json:
        print_json(gone)
        return
    kept = f"; {gone.kept} are pinned and stay" if gone.kept else ""
    typer.echo(f"{gone.files} files, {format_size(gone.bytes)} removed{kept}")


@app.command()
def purge(
    unused: Annotated[
        str, typer.Option(metavar="TIME", help='Only what nobody used for so long, e.g. "30d".')
    ] = "",
    origin: Annotated[
        str, typer.Option(metavar="NAME", help="Only this origin's.", show_default="all")
    ] = "",
    yes: YesOption = False,
    state: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Empty the caches, pinned files excepted.

    Example: `casita cache purge --unused 30d`
    """
    unused_for = seconds("--unused", unused) if unused else 0
    with _cache(state) as cache:
        found = [one for one in cache.status().origins if origin in ("", one.name)]
        if not found:
            raise CasitaError(f"there is no origin {origin!r}", hint="`casita cache status`")
        names = ", ".join(one.name for one in found)
        if not yes:
            what = f"unused for {unused}" if unused else "that is not pinned"
            typer.confirm(f"Remove everything {what} from the cache of {names}?", abort=True)
        _removed(cache, Targets(urls=[f"{one.url}//" for one in found]), unused_for, as_json)
