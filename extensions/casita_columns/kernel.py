"""In a notebook or a program: columns of datasets, delivered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs

from casita.client import connection
from casita_columns.client import Columns
from casita_columns.delivered import Delivered
from casita_columns.delivery import (
    Display,
    Follower,
    IncompleteError,
    submitted,
    trouble_of,
)
from casita_columns.display import display
from casita_columns.models import Look, LookRequest, RequestState
from casita_columns.specification import output_folder, requests_of

__all__ = ["IncompleteError", "deliver", "fetch", "lend", "look"]


def deliver(
    spec: Any,
    *,
    partial: bool = False,
    fresh: bool = False,
    folder: str | Path | None = None,
    progress: str | None = None,
    to: str = "files",
) -> dict[str, Delivered]:
    """Deliver columns of datasets.

    Takes what ``servicex.deliver`` takes and returns the same form, a mapping from samples' names
    to sequences of paths. Files are fetched as soon as they are there; they come in the order of
    the dataset.

    Parameters
    ----------
    spec
        A mapping, a ``ServiceXSpec``, or the path of a YAML file.
    partial
        Whether to return what there is if some files failed, instead of raising.
    fresh
        Whether to have all files read, though the same was asked for before.
    folder
        Where files go; by default what the specification says, else a cache of the user's.
    progress
        ``notebook``, ``terminal``, ``lines`` or ``none``; by default what fits.
    to
        ``files``, or ``volume``: they are put into the facility's folder for results, too.

    Raises
    ------
    IncompleteError
        A file was not delivered; ``delivered`` holds the others.
    CasitaError
        The specification is none, a request is refused, or there is no facility.
    """
    more = ({"fresh": True} if fresh else {}) | (
        {"result-destination": to} if to != "files" else {}
    )
    bodies = [one | more for one in requests_of(spec)]
    where = Path(folder) if folder else output_folder(spec) or default_folder()
    shown = display(progress)
    try:
        with connection().http() as http:
            requests = submitted(Columns(http), bodies)
            return _collected(http, requests, where, shown, partial=partial)
    finally:
        shown.end()


def fetch(
    identifier: str,
    *,
    partial: bool = False,
    folder: str | Path | None = None,
    progress: str | None = None,
) -> Delivered:
    """Return what a request that was made before has delivered, waiting for it if need be.

    Raises
    ------
    IncompleteError, CasitaError
        As :func:`deliver`; there is no such request.
    """
    shown = display(progress)
    try:
        with connection().http() as http:
            request = Columns(http).request(identifier)
            where = Path(folder) if folder else default_folder()
            found = _collected(http, [request], where, shown, partial=partial)
            return next(iter(found.values()))
    finally:
        shown.end()


def look(*files: str, did: str = "") -> Look:
    """Return which trees and columns a dataset's first file has.

    Parameters
    ----------
    files
        Files of the dataset; or
    did
        its name, e.g. ``xrootd://root://host//path/*.root``.

    Raises
    ------
    CasitaError
        It can't be found or read.
    """
    with connection().http() as http:
        return Columns(http).look(LookRequest(did=did, files=list(files)))


def lend(client: Any) -> None:
    """Let the workers of a Dask cluster, and those that join it, read files of your requests.

    Parameters
    ----------
    client
        A ``distributed.Client``. ``client.unregister_worker_plugin("casita-columns")`` ends it.
    """
    from casita_columns.plugin import Lender

    found = connection()
    client.register_plugin(Lender(found.url, found.ca))


def default_folder() -> Path:
    """Return where delivered files are kept."""
    return platformdirs.user_cache_path("casita") / "columns"


def _collected(
    http: Any, requests: Sequence[RequestState], folder: Path, shown: Display, *, partial: bool
) -> dict[str, Delivered]:
    """Follow requests side by side; stop them if the program is interrupted."""
    with ThreadPoolExecutor(len(requests) or 1) as side, _cancelled_if_interrupted(http, requests):
        followers = [Follower(http, one, folder, shown) for one in requests]
        found = list(side.map(Follower.run, followers))
    delivered = {one.request.title or one.request.id: one for one in found}
    message, hint = trouble_of(Columns(http), [one.request for one in found])
    if message and not partial:
        raise IncompleteError(message, hint, delivered)
    return delivered


@contextmanager
def _cancelled_if_interrupted(http: Any, requests: Sequence[RequestState]) -> Iterator[None]:
    """Cancel requests before their followers, who would go on, are waited for."""
    try:
        yield
    except KeyboardInterrupt:
        columns = Columns(http)
        for one in columns.requests():
            if one.id in {mine.id for mine in requests} and not one.done:
                columns.cancel(one.id)
        raise
