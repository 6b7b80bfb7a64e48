"""The store of results: a folder, or whatever fsspec knows (S3, Ceph RGW).

A file is made in a spool, which nobody else sees, and appears under its key whole or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import shutil
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from casita.errors import CasitaError, MissingError, ServiceError
from casita.files import private_directory

logger = logging.getLogger("casita.columns")
SPOOL = "spool"
PREFIX = "spool-"
AHEAD = 4 * 2**20
"""Bytes that are fetched ahead of who reads an object of a store elsewhere."""
S3 = {"config_kwargs": {"connect_timeout": 10, "retries": {"max_attempts": 2}}}
"""Of s3fs: its own patience is for half an hour."""
S3_PARTS = {"chunksize": 8 * 2**20, "max_concurrency": 2}
"""Bytes, and parts at the same time: by itself it takes 500 MB of a file into memory."""
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


@dataclass
class Spool:
    """A file that is being made."""

    fd: int
    """Open for reading and writing; others may have duplicates.  -1 once it is over."""
    path: Path

    def close(self) -> None:
        """Close the descriptor, once: its number may soon be another file's."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


@dataclass(frozen=True)
class Stored:
    """An object, as its request's records know it."""

    name: str
    key: str
    """In the store."""
    size: int
    """Bytes."""
    modified: float
    """Unix time."""

    @property
    def etag(self) -> str:
        """Names its content: results are never changed.  Tells nothing of whose they are."""
        about = f"{self.key} {self.size} {self.modified}"
        return f'"{hashlib.sha256(about.encode()).hexdigest()[:32]}"'


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
            What fsspec knows, or "" for ``directory``, which holds spools of all but other folders.
        options
            What fsspec needs for it.

        Raises
        ------
        CasitaError
            There is no such store.
        """
        scheme, separator, path = url.partition("://")
        if url and separator and scheme not in ("file", "local"):
            return Remote(url, options, directory)
        return Folder(Path(path if separator else url)) if url else Folder(directory)

    def spool(self) -> Spool:
        """Begin a file, which nobody sees but who has its descriptor."""
        handle, path = tempfile.mkstemp(prefix=PREFIX, dir=self._spools)
        return Spool(handle, Path(path))

    def sealed(self, spool: Spool) -> Spool:
        """Return a copy that nobody has a descriptor of but we, in the spool's place.

        Whoever made the file may have kept theirs, and could write on.
        """
        copy = self.spool()
        try:
            with (
                open(spool.fd, "rb", closefd=False) as stream,
                os.fdopen(os.dup(copy.fd), "wb") as out,
            ):
                stream.seek(0)
                shutil.copyfileobj(stream, out, 2**20)
        except OSError as error:
            self.discard(copy)
            raise CasitaError(f"the result can't be kept: {error.strerror or error}") from error
        self.discard(spool)
        return copy

    def discard(self, spool: Spool) -> None:
        """Throw a file away that was being made; one that was committed stays."""
        spool.close()
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
    def size(self, key: str) -> int:
        """Return an object's size in bytes.

        Raises
        ------
        MissingError
            There is none.
        """

    @abstractmethod
    def open(self, key: str, ahead: int = AHEAD) -> BinaryIO:
        """Return an object, seekable.

        Parameters
        ----------
        ahead
            Bytes that may be fetched before they are asked for.

        Raises
        ------
        MissingError
            There is none.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove an object, if it is there."""


class Folder(Objects):
    """Objects are files: ``<folder>/objects/<request>/<name>``."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / SPOOL)
        self._root = private_directory(folder) / "objects"

    def _path(self, key: str) -> Path:
        return self._root / checked(key)

    def _put(self, spool: Spool, key: str) -> None:
        target = self._path(key)
        with self._lock:  # the last object of a request takes its folder with it
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            spool.path.replace(target)
        for folder in (target.parent, self._root):  # the records that name it are as durable
            _sync(folder)

    def size(self, key: str) -> int:
        """Return an object's size in bytes."""
        with _missing(key):
            return self._path(key).stat().st_size

    def open(self, key: str, ahead: int = AHEAD) -> BinaryIO:
        """Return an object, seekable."""
        with _missing(key):
            return self._path(key).open("rb")

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

            self._s3 = url.partition("://")[0] in ("s3", "s3a")
            given = {**S3, **options} if self._s3 else dict(options)
            self._system, self._root = fsspec.core.url_to_fs(url, **given)
        except (ImportError, ValueError) as error:
            raise CasitaError(
                f"backends.columns.store: {url}: {error}",
                hint="fsspec's s3:// needs the package s3fs in the facility's environment",
            ) from None

    def _path(self, key: str) -> str:
        return f"{self._root.rstrip('/')}/{checked(key)}"

    def _put(self, spool: Spool, key: str) -> None:
        # Stores of objects show one when it is whole.
        path = self._path(key)
        with _answering(key):
            if self._s3:
                self._send_to_s3(spool, path)
            else:
                self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
                self._system.put_file(str(spool.path), path)

    def _send_to_s3(self, spool: Spool, path: str) -> None:
        try:
            self._system.put_file(str(spool.path), path, **S3_PARTS)
        except FileNotFoundError as error:
            bucket = path.partition("/")[0]
            raise ServiceError(
                f"the store of results has no bucket {bucket!r}", hint="see backends.columns.store"
            ) from error

    def size(self, key: str) -> int:
        """Return an object's size in bytes."""
        with _answering(key):
            return int(self._system.size(self._path(key)))

    def open(self, key: str, ahead: int = AHEAD) -> BinaryIO:
        """Return an object, seekable."""
        with _answering(key):
            found: BinaryIO = self._system.open(self._path(key), "rb", block_size=max(1, ahead))
            return found

    def delete(self, key: str) -> None:
        """Remove an object, if it is there."""
        path = self._path(key)
        with contextlib.suppress(MissingError), _answering(key):
            self._system.rm_file(path)


def _sync(folder: Path) -> None:
    """Have a folder's entries survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _missing(key: str) -> Iterator[None]:
    """Say of what can't be found that it is missing."""
    try:
        yield
    except OSError as error:
        if error.errno in ABSENT:
            raise MissingError(f"there is no object {key[:100]!r}") from None
        raise


@contextlib.contextmanager
def _answering(key: str) -> Iterator[None]:
    """Give what a store's library raises (each has errors of its own) as ours."""
    try:
        yield
    except CasitaError:
        raise
    except FileNotFoundError:
        raise MissingError(f"there is no object {key[:100]!r}") from None
    except Exception as error:
        logger.error("the store of results, of %s: %s: %s", key, type(error).__name__, error)
        raise ServiceError(
            f"the store of results does not answer ({type(error).__name__})",
            hint="its operator finds more in the log of columns, and in that store's own",
        ) from error
