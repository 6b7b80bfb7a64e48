"""Opening what is to be read, with the rights of the user whose worker this is.

A local file is handed to the child as it is; of any other the child asks for ranges, and gets them
over a socket: it has no network.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

from casita.errors import CasitaError

Range = tuple[int, int]
"""Offset and length, in bytes."""
HEAD = struct.Struct("!I")
RANGE = struct.Struct("!QI")
FAILED = 0xFFFFFFFF
"""Instead of a length: the text of an error follows."""
RANGES_MAX = 100_000
RANGE_MAX = 64 * 2**20
GROUP_BYTES = 256 * 2**20
VECTOR_RANGES = 1024
VECTOR_BYTES = 2 * 2**20 - 16
"""What one vector read of XRootD takes: ranges, and bytes of each (XProtocol.hh, readv)."""


class InputError(CasitaError):
    """A file can't be read; ``passing`` tells whether another attempt may help."""

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


class Remote(Protocol):
    """A file that is read by ranges."""

    size: int

    def read(self, ranges: Sequence[Range]) -> Iterator[bytes]:
        """Yield the bytes of each range, in order."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def open_local(url: str) -> int | None:
    """Return a file descriptor of a local file, or None of what is none.

    Raises
    ------
    InputError
        It can't be opened, or is no plain file.
    """
    path = url.removeprefix("file://")
    if not path.startswith("/"):
        return None
    try:
        # Whatever it is, opening it must not wait: it may be a pipe.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise InputError(f"{path}: this is no file")
    return handle


def version_of(path: str) -> tuple[int, str]:
    """Return a local file's size in bytes, and what tells it from an older one of its name."""
    try:
        status = os.stat(path)  # noqa: PTH116 (one call)
    except (OSError, ValueError):
        return 0, "absent"
    return status.st_size, str(status.st_mtime_ns)


def open_remote(url: str, timeout: float) -> Remote:
    """Return a remote file.

    Parameters
    ----------
    timeout
        Seconds that one answer may take.

    Raises
    ------
    InputError
        It can't be opened.
    """
    scheme = urlsplit(url).scheme
    if scheme in ("root", "roots", "xroot", "xroots"):
        return XRootDFile(url, timeout)
    if scheme in ("http", "https", "davs", "dav"):
        return FsspecFile(url.replace("dav", "http", 1) if scheme.startswith("dav") else url)
    raise InputError(f"{url}: files are read from local paths, root:// and https:// only")


class XRootDFile:
    """A file of an XRootD server, by vector reads."""

    def __init__(self, url: str, timeout: float) -> None:
        from XRootD import client

        self._url = url
        self._timeout = max(1, int(timeout))
        self._file = client.File()
        status, _ = self._file.open(url, timeout=self._timeout)
        self._check(status)
        status, info = self._file.stat(timeout=self._timeout)
        self._check(status)
        self.size = int(info.size)

    def _check(self, status: Any) -> None:
        if not status.ok:
            # kXR_NotFound, kXR_NotAuthorized: asking again helps nobody (XProtocol.hh).
            final = status.errno in (3011, 3010)
            raise InputError(f"{self._url}: {status.message.strip()}", passing=not final)

    def read(self, ranges: Sequence[Range]) -> Iterator[bytes]:
        """Yield the bytes of each range, in order.

        Raises
        ------
        InputError
            The server does not give them.
        """
        for some in _vectors(ranges):
            if len(some) == 1:
                (offset, length), *_ = some
                status, data = self._file.read(offset, length, timeout=self._timeout)
                self._check(status)
                yield data
            else:
                status, found = self._file.vector_read(some, timeout=self._timeout)
                self._check(status)
                for one in found.chunks:
                    yield one.buffer

    def close(self) -> None:
        """Let go of it."""
        self._file.close(timeout=5)


def _vectors(ranges: Sequence[Range]) -> Iterator[list[Range]]:
    """Yield groups of ranges that can be read at once; large ones alone."""
    group: list[Range] = []
    for one in ranges:
        if one[1] > VECTOR_BYTES or one[1] == 0:
            if group:
                yield group
            yield [one]
            group = []
            continue
        group.append(one)
        if len(group) == VECTOR_RANGES:
            yield group
            group = []
    if group:
        yield group


class FsspecFile:
    """A file of a web server."""

    def __init__(self, url: str) -> None:
        import fsspec

        self._url = url
        try:
            self._system, self._path = fsspec.core.url_to_fs(url)
            self.size = int(self._system.info(self._path)["size"])
        except FileNotFoundError:
            raise InputError(f"{url}: there is no such file") from None
        except Exception as error:
            raise InputError(f"{url}: {error or type(error).__name__}", passing=True) from error

    def read(self, ranges: Sequence[Range]) -> Iterator[bytes]:
        """Yield the bytes of each range, in order.

        Raises
        ------
        InputError
            The server does not give them.
        """
        starts = [offset for offset, _ in ranges]
        ends = [offset + length for offset, length in ranges]
        try:
            yield from self._system.cat_ranges([self._path] * len(ranges), starts, ends)
        except Exception as error:
            raise InputError(
                f"{self._url}: {error or type(error).__name__}", passing=True
            ) from error

    def close(self) -> None:
        """Let go of it."""


@contextlib.contextmanager
def served(remote: Remote) -> Iterator[int]:
    """Serve a remote file to a child; gives the descriptor of the child's end of the socket."""
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=serve, args=(ours, remote), daemon=True)
    thread.start()
    try:
        yield theirs.fileno()
    finally:
        theirs.close()
        with contextlib.suppress(OSError):
            ours.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=30)
        remote.close()


def serve(ours: socket.socket, remote: Remote) -> None:
    """Answer requests for ranges until the other side is closed.

    A request is a count, and offset and length of so many ranges; an answer, for each range, its
    length and bytes. The child may run anybody's code: what it asks for is checked.
    """
    with ours, contextlib.suppress(OSError, EOFError):
        while True:
            count = HEAD.unpack(_exactly(ours, HEAD.size))[0]
            if count > RANGES_MAX:
                return
            asked = list(RANGE.iter_unpack(_exactly(ours, count * RANGE.size)))
            if max((length for _, length in asked), default=0) > RANGE_MAX:
                return
            try:
                _answer(ours, remote, asked)
            except InputError as error:
                text = error.message.encode()[:4096]
                ours.sendall(HEAD.pack(FAILED) + HEAD.pack(len(text)) + text)


def _answer(ours: socket.socket, remote: Remote, asked: Sequence[Range]) -> None:
    inside = [(offset, max(0, min(length, remote.size - offset))) for offset, length in asked]
    for some in _groups(inside):
        for data in remote.read(some):
            ours.sendall(HEAD.pack(len(data)))
            ours.sendall(data)


def _groups(ranges: Sequence[Range]) -> Iterator[list[Range]]:
    """Yield ranges that are read at once: so much is held in memory."""
    group, size = list[Range](), 0
    for one in ranges:
        if group and size + one[1] > GROUP_BYTES:
            yield group
            group, size = [], 0
        group.append(one)
        size += one[1]
    if group:
        yield group


def _exactly(ours: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = ours.recv(min(size, 2**20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
