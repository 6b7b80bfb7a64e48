"""The store of results: a folder, or whatever fsspec knows (S3, Ceph RGW).

A file is made in a spool, which nobody else sees, and appears under its key whole or not at all.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from casita.errors import CasitaError, MissingError
from casita.files import private_directory

SPOOL = "spool"
PREFIX = "spool-"


@dataclass
class Spool:
    """A file that is being made."""

    fd: int
    """Open for reading and writing; others may have duplicates."""
    path: Path


def checked(key: str) -> str:
    """Return a key, ``<request>/<name>``, that is nothing but two names.

    Raises
    ------
    MissingError
        It is something else: there can be no such object.
    """
    parts = key.split("/")
    bad = any(one in ("", ".", "..") or "\\" in one or "\0" in one for one in parts)
    if len(parts) != 2 or bad or not key.isprintable():
        raise MissingError(f"there can be no object {key[:100]!r}")
    return key


class Objects(ABC):
    """A store.

    Parameters
    ----------
    spools
        Folder for what is being made; on the store's file system if that is local.
    """

    def __init__(self, spools: Path) -> None:
        self._spools = private_directory(spools)
        self._lock = threading.Lock()

    @staticmethod
    def of(url: str, options: Mapping[str, Any], directory: Path) -> Objects:
        """Return the store that is meant.

        Parameters
        ----------
        url
            What fsspec knows, or "" for ``directory``, which holds spools in either case.

        Raises
        ------
        CasitaError
            There is no such store.
        """
        return Remote(url, options, directory) if url else Folder(directory)

    def spool(self) -> Spool:
        """Begin a file, which nobody sees but who has its descriptor."""
        handle, path = tempfile.mkstemp(prefix=PREFIX, dir=self._spools)
        return Spool(handle, Path(path))

    def discard(self, spool: Spool) -> None:
        """Throw a file away that was being made; one that was committed stays."""
        with contextlib.suppress(OSError):
            os.close(spool.fd)
        spool.path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what a service that was killed left behind."""
        for one in self._spools.glob(f"{PREFIX}*"):
            one.unlink(missing_ok=True)

    def commit(self, spool: Spool, key: str) -> int:
        """Put a finished file into the store, and return its size in bytes.

        Raises
        ------
        CasitaError
            The store does not take it; the spool is still there.
        """
        checked(key)
        try:
            os.fsync(spool.fd)
            size = os.fstat(spool.fd).st_size
            self._put(spool, key)
        except OSError as error:
            raise CasitaError(f"the result can't be kept: {error.strerror or error}") from error
        self.discard(spool)
        return size

    @abstractmethod
    def _put(self, spool: Spool, key: str) -> None:
        """Let the spool's file appear under a key."""

    @abstractmethod
    def open(self, key: str) -> BinaryIO:
        """Return an object, seekable.

        Raises
        ------
        MissingError
            There is none.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove an object, if it is there."""


class Folder(Objects):
    """Objects are files: ``<folder>/<request>/<name>``."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / SPOOL)
        self._folder = private_directory(folder)

    def _path(self, key: str) -> Path:
        return self._folder / "objects" / checked(key)

    def _put(self, spool: Spool, key: str) -> None:
        target = self._path(key)
        with self._lock:  # the last object of a request takes its folder with it
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            spool.path.replace(target)

    def open(self, key: str) -> BinaryIO:
        """Return an object, seekable."""
        try:
            return self._path(key).open("rb")
        except OSError:
            raise MissingError(f"there is no object {key[:100]!r}") from None

    def delete(self, key: str) -> None:
        """Remove an object, if it is there."""
        target = self._path(key)
        with self._lock:
            target.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                target.parent.rmdir()


class Remote(Objects):
    """Objects of any store that fsspec knows."""

    def __init__(self, url: str, options: Mapping[str, Any], directory: Path) -> None:
        super().__init__(directory / SPOOL)
        try:
            import fsspec

            self._system, self._root = fsspec.core.url_to_fs(url, **options)
        except (ImportError, ValueError) as error:
            raise CasitaError(
                f"backends.columns.store: {url}: {error}",
                hint="fsspec's s3:// needs the package s3fs in the facility's environment",
            ) from None

    def _path(self, key: str) -> str:
        return f"{self._root.rstrip('/')}/{checked(key)}"

    def _put(self, spool: Spool, key: str) -> None:
        # Stores of objects show one when it is whole.
        self._system.makedirs(self._path(key).rpartition("/")[0], exist_ok=True)
        self._system.put_file(str(spool.path), self._path(key))

    def open(self, key: str) -> BinaryIO:
        """Return an object, seekable."""
        try:
            found: BinaryIO = self._system.open(self._path(key), "rb")
        except FileNotFoundError:
            raise MissingError(f"there is no object {key[:100]!r}") from None
        return found

    def delete(self, key: str) -> None:
        """Remove an object, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self._system.rm_file(self._path(key))
