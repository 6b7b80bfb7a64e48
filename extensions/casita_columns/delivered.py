"""What was delivered, on the disk of whoever asked for it."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, overload
from urllib.parse import urlsplit

import httpx

from casita.errors import CasitaError, ServiceError
from casita_columns.models import RequestState, ResultFile

PARALLEL = 8
ATTEMPTS = 3
CHUNK = 2**20


class Delivered(Sequence[str]):
    """The files of one sample, in the order of its dataset; a sequence of their paths.

    Parameters
    ----------
    request
        As it was when the last file had come.
    files
        Those that came, in order.
    folder
        Where they are.
    """

    def __init__(self, request: RequestState, files: Sequence[ResultFile], folder: Path) -> None:
        self.request = request
        self.results = sorted(files, key=lambda one: one.number)
        self.folder = folder

    @property
    def files(self) -> list[str]:
        """Their paths."""
        return [str(self.folder / one.name) for one in self.results]

    @property
    def events(self) -> int:
        """Rows in all files."""
        return sum(one.events for one in self.results)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(one.size for one in self.results)

    @property
    def tree(self) -> str:
        """Name of the (first) tree in ROOT files: as it was, and ``servicex`` of func_adl."""
        if self.request.codegen == "uproot-raw":
            for one in json.loads(self.request.selection):
                if named := one.get("treename"):
                    return str(named if isinstance(named, str) else next(iter(_values(named))))
        return "servicex"

    def fileset(self, tree: str = "", **metadata: Any) -> dict[str, Any]:
        """Return them as a fileset of coffea's, for its Runner with the format of the files.

        Parameters
        ----------
        tree
            Of ROOT files with several, another than the first.
        """
        files = dict.fromkeys(self.files, tree or self.tree)
        metadata = {"request": self.request.id, **metadata}
        return {self.request.title: {"files": files, "metadata": metadata}}

    def awkward(self, tree: str = "") -> Any:
        """Return all events as one awkward array; files without events count as none.

        Parameters
        ----------
        tree
            As for :meth:`fileset`.

        Raises
        ------
        CasitaError
            There are no files.
        """
        import awkward

        if not self.results:
            raise CasitaError(f"{self.request.title}: no file was delivered")
        parts = [self._read(path, tree) for path in self.files]
        return awkward.concatenate(parts) if len(parts) > 1 else parts[0]

    def delayed(self, tree: str = "") -> list[Any]:
        """Return a ``dask.delayed`` awkward array for each file."""
        import dask

        return [dask.delayed(self._read)(path, tree) for path in self.files]

    def _read(self, path: str, tree: str) -> Any:
        if self.request.format == "parquet":
            import awkward

            return awkward.from_parquet(path)
        import uproot

        with uproot.open(path) as file:
            return file[tree or self.tree].arrays()

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        return self.files[index]

    def __len__(self) -> int:
        return len(self.results)

    def __repr__(self) -> str:
        title, events = self.request.title or self.request.id, self.events
        return f"<{title}: {len(self)} files, {events:,} events, {self.size:,} bytes>"


def _values(named: dict[str, str] | list[str]) -> Iterable[str]:
    return named.values() if isinstance(named, dict) else named


class Downloads:
    """Fetches files as they become known, a few at a time.

    Parameters
    ----------
    fetch
        Opens an address as a stream of the facility's session.
    """

    def __init__(
        self, http: httpx.Client, folder: Path, done: Callable[[ResultFile], None]
    ) -> None:
        self._http = http
        self._folder = folder
        self._done = done
        self._threads = ThreadPoolExecutor(PARALLEL, "casita-download")
        self._running: list[Any] = []
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, file: ResultFile) -> None:
        """Fetch a file."""
        self._running.append(self._threads.submit(self._get, file))

    def wait(self) -> None:
        """Return when all are there.

        Raises
        ------
        CasitaError
            One could not be had.
        """
        for one in self._running:
            one.result()

    def stop(self) -> None:
        """Begin no more downloads."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _get(self, file: ResultFile) -> None:
        target = self._folder / _plain(file.name)
        if not target.exists() or target.stat().st_size != file.size:
            for attempt in range(ATTEMPTS):
                try:
                    self._fetch(file, target)
                    break
                except (httpx.HTTPError, ServiceError) as error:
                    if attempt + 1 == ATTEMPTS:
                        raise ServiceError(f"{file.name}: it can't be fetched: {error}") from error
        self._done(file)

    def _fetch(self, file: ResultFile, target: Path) -> None:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".")
        try:
            # Only the path: the facility is where the session says it is.
            parts = urlsplit(file.url)
            with (
                os.fdopen(handle, "wb") as out,
                self._http.stream("GET", f"{parts.path}?{parts.query}") as answer,
            ):
                if answer.status_code != 200:
                    raise ServiceError(f"the facility answers {answer.status_code}")
                size = sum(map(out.write, answer.iter_bytes(CHUNK)))
            if size != file.size:
                raise ServiceError(f"{size} of {file.size} bytes came")
            Path(temporary).replace(target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)  # noqa: PTH108
            raise


def _plain(name: str) -> str:
    """Return a file's name that is nothing but that, whatever the service says."""
    if "/" in name or "\0" in name or name in ("", ".", ".."):
        raise ServiceError(f"the service names a file {name[:60]!r}")
    return name
