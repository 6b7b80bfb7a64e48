"""A file that is asked for by ranges.

A request for ranges is a count and, for each, offset and length (``!I``, ``!QI``); the answer has,
for each, its length (``!I``) and the bytes.  Instead of a length ``0xFFFFFFFF`` says that an error
follows: its length and text.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass

HEAD = struct.Struct("!I")
RANGE = struct.Struct("!QI")
FAILED = 0xFFFFFFFF
LONGEST = 64 * 2**20
SCHEME = "casita"


class StreamError(OSError):
    """The worker could not read; another attempt may help."""

    passing = True


@dataclass
class Opened:
    """A file to read."""

    path: str
    """What uproot, and users' functions, can open."""
    entries: int = 0
    """Of the trees that were read."""
    bytes_in: int = 0
    """That were read."""


class Stream:
    """Asks for ranges over a socket; may be used from several threads."""

    current: Stream | None = None

    def __init__(self, end: socket.socket, name: str, size: int) -> None:
        self._socket = end
        self._lock = threading.Lock()
        self.name = name
        self.size = size
        self.bytes_in = 0

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of ranges, (offset, length) each, by one request.

        Raises
        ------
        StreamError
            They can't be had.
        """
        parts = [part for one in ranges for part in _split(*one)]
        with self._lock:
            asked = b"".join(RANGE.pack(*one) for one in parts)
            self._socket.sendall(HEAD.pack(len(parts)) + asked)
            found = [self._answer() for _ in parts]
        self.bytes_in += sum(map(len, found))
        rest, whole = iter(found), []
        for one in ranges:
            whole.append(b"".join(next(rest) for _ in _split(*one)))
        return whole

    def _answer(self) -> bytes:
        length = HEAD.unpack(self._exactly(HEAD.size))[0]
        if length != FAILED:
            return self._exactly(length)
        text = self._exactly(HEAD.unpack(self._exactly(HEAD.size))[0])
        raise StreamError(5, text.decode(errors="replace"))

    def _exactly(self, size: int) -> bytes:
        data = bytearray(size)
        view, at = memoryview(data), 0
        while at < size:
            got = self._socket.recv_into(view[at:])
            if not got:
                raise StreamError(5, "the worker has closed the file")
            at += got
        return bytes(data)


def _split(offset: int, length: int) -> list[tuple[int, int]]:
    return [
        (at, min(LONGEST, offset + length - at)) for at in range(offset, offset + length, LONGEST)
    ] or [(offset, 0)]
