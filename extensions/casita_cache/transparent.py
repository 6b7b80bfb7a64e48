"""Reads of remote files go through the cache, whatever library asks for them.

All of Python's ``root://`` reading (uproot, coffea, fsspec, pyarrow's datasets through fsspec)
ends in two classes of the XRootD client, ``pyxrootd.client.File`` and ``FileSystem``; this module
stands in for them.  A file of an origin that has a cache is opened there; if the cache is down, or
fails in the middle, it is opened at its origin, and the reads go on.  ``https://`` URLs of such an
origin are turned into ``root://`` where fsspec takes them apart.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from pyxrootd import client as plain

from casita_cache.doors import Door, Doors
from casita_cache.traffic import LEDGER

READ = 0x0010  # XRootD.client.flags.OpenFlags.READ
READS = ("stat", "dirlist", "locate")
"""What a cache answers of a file system; everything else is for the origin."""
SERVER_SAID = 400
"""``XrdCl::errErrorResponse``: the server answered, with an error of its own."""
FINAL = {3000, 3006, 3010, 3011, 3016}
"""Answers of a cache that the origin would give, too: bad argument or request, not authorised, not
found, is a directory (XProtocol.hh)."""
CORRUPT = 3019
"""``kXR_ChkSumErr``: what is on the cache's disk is not what was put there."""
Status = Mapping[str, Any]
Callback = Callable[..., Any]


def failed(status: Status) -> bool:
    """Whether the origin might do better than the cache."""
    if status["ok"]:
        return False
    return not (status["code"] == SERVER_SAID and status["errno"] in FINAL)


def ask_at_once() -> None:
    """Let uproot send one request for all that it wants, not a small one ahead.

    A server works off a connection's requests one after the other, so that for what is not cached
    yet the small one costs a round trip to the origin, each time.
    """
    coalesce = sys.modules.get("uproot.source.coalesce")
    if coalesce is not None:
        coalesce.DEFAULT_CONFIG.min_first_request_bytes = sys.maxsize


def tell(door: Door, path: str, status: Status) -> None:
    """Say that the cache failed, altogether or with this file."""
    message = " ".join(str(status["message"]).split())
    if status["code"] == SERVER_SAID:
        door.gave_up(path, message, corrupt=status["errno"] == CORRUPT)
    else:
        door.broke(message)


class File:
    """Stands in for ``pyxrootd.client.File``."""

    doors: Doors
    """Set when this is put in its place."""

    def __init__(self) -> None:
        self._raw = plain.File()
        self._door: Door | None = None
        self._path = ""
        self._direct = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def open(
        self,
        url: str,
        flags: int = 0,
        mode: int = 0,
        timeout: int = 0,
        callback: Callback | None = None,
    ) -> Any:
        """Open a file, through the cache if there is one for it (as pyxrootd's)."""
        found = self.doors.find(url) if flags in (0, READ) else None
        if found is None:
            return _call(self._raw.open, (url, flags, mode, timeout), callback)
        self._door, self._path = found
        ask_at_once()
        LEDGER.opened(self._door.name, self._path)
        arguments = (flags, mode, timeout)
        if not self._door.up():
            return self._open_directly(arguments, callback)
        return _attempt(
            lambda answer: _call(self._raw.open, (self._cached_url(), *arguments), answer),
            lambda answer: self._open_directly(arguments, answer),
            self._tell,
            callback,
        )

    def _tell(self, status: Status) -> None:
        assert self._door is not None
        tell(self._door, self._path, status)

    def _cached_url(self) -> str:
        assert self._door is not None
        return self._door.url(self._path)

    def _open_directly(self, arguments: tuple[int, ...], callback: Callback | None) -> Any:
        assert self._door is not None
        self._raw = plain.File()  # the other can't be opened again
        self._direct = True
        return _call(self._raw.open, (self._door.origin_url(self._path), *arguments), callback)

    def read(
        self, offset: int = 0, size: int = 0, timeout: int = 0, callback: Callback | None = None
    ) -> Any:
        """Read bytes (as pyxrootd's)."""
        return self._read("read", (offset, size, timeout), len, callback)

    def vector_read(self, chunks: Any, timeout: int = 0, callback: Callback | None = None) -> Any:
        """Read many pieces at once (as pyxrootd's)."""
        return self._read("vector_read", (chunks, timeout), _vector_size, callback)

    def _read(
        self,
        method: str,
        arguments: tuple[Any, ...],
        size_of: Callable[[Any], int],
        callback: Callback | None,
    ) -> Any:
        door = self._door
        if door is None:
            return _call(getattr(self._raw, method), arguments, callback)
        counted = _counting(self, size_of, callback)
        if self._direct:
            return counted(lambda answer: _call(getattr(self._raw, method), arguments, answer))
        return counted(
            lambda answer: _attempt(
                lambda told: _call(getattr(self._raw, method), arguments, told),
                lambda told: self._go_on_directly(method, arguments, told),
                self._tell,
                answer,
            )
        )

    def _go_on_directly(
        self, method: str, arguments: tuple[Any, ...], callback: Callback | None
    ) -> Any:
        """Open the file at its origin, and read there."""
        assert self._door is not None
        fresh, url = plain.File(), self._door.origin_url(self._path)

        def read(answer: Callback | None) -> Any:
            self._raw, self._direct = fresh, True
            return _call(getattr(fresh, method), arguments, answer)

        if callback is None:
            status, response = fresh.open(url, READ, 0, 0)
            return read(None) if status["ok"] else (status, response)

        def opened(status: Status, response: Any, *hosts: Any) -> None:
            if status["ok"]:
                read(callback)
            else:
                callback(status, response, *hosts)

        return fresh.open(url, READ, 0, 0, opened)


class FileSystem:
    """Stands in for ``pyxrootd.client.FileSystem``."""

    doors: Doors

    def __init__(self, url: str) -> None:
        self._raw = plain.FileSystem(url)
        found = self.doors.find(url)
        self._door = found[0] if found else None

    def __getattr__(self, name: str) -> Any:
        door = self._door
        if name not in READS or door is None or not self.doors.on or not door.up():
            return getattr(self._raw, name)
        cached, direct = getattr(plain.FileSystem(door.url("/")), name), getattr(self._raw, name)

        def method(*arguments: Any, **named: Any) -> Any:
            callback = named.pop("callback", None)
            if arguments and callable(arguments[-1]):
                *rest, callback = arguments
                arguments = tuple(rest)
            return _attempt(
                lambda answer: _call(cached, arguments, answer, named),
                lambda answer: _call(direct, arguments, answer, named),
                lambda status: tell(door, "/", status),
                callback,
            )

        return method


def _call(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    callback: Callback | None,
    named: Mapping[str, Any] | None = None,
) -> Any:
    if callback is None:
        return function(*arguments, **(named or {}))
    return function(*arguments, callback, **(named or {}))


def _attempt(
    first: Callable[[Callback | None], Any],
    second: Callable[[Callback | None], Any],
    told: Callable[[Status], None],
    callback: Callback | None,
) -> Any:
    """Do the first, and the second if the cache is the trouble; with a callback, by and by."""
    if callback is None:
        status, response = first(None)
        if failed(status):
            told(status)
            return second(None)
        return status, response

    def answered(status: Status, response: Any, *hosts: Any) -> None:
        if failed(status):
            told(status)
            second(callback)
        else:
            callback(status, response, *hosts)

    submitted = first(answered)
    if failed(submitted):
        told(submitted)
        return second(callback)
    return submitted


def _counting(
    file: File, size_of: Callable[[Any], int], callback: Callback | None
) -> Callable[[Callable[[Callback | None], Any]], Any]:
    """Return what runs a read and counts it."""
    began = time.monotonic()

    def count(response: Any) -> None:
        assert file._door is not None
        size, took = size_of(response) if response else 0, time.monotonic() - began
        LEDGER.read(file._door.name, file._path, size, took, direct=file._direct)

    def run(read: Callable[[Callback | None], Any]) -> Any:
        if callback is None:
            status, response = read(None)
            count(response)
            return status, response

        def answered(status: Status, response: Any, *hosts: Any) -> None:
            count(response)
            callback(status, response, *hosts)

        return read(answered)

    return run


def _vector_size(response: Mapping[str, Any]) -> int:
    return int(response["size"])
