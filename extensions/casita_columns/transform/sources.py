"""How files are opened here, and how many bytes are asked for: users' functions open them, too."""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uproot
import uproot.source.fsspec

from . import filesystem
from .stream import SCHEME, Opened, Stream

SHARE = 4
"""A file may fill this part of the address space, and is read bit by bit if it is larger."""


class Counted(uproot.source.fsspec.FSSpecSource):  # type: ignore[misc]
    """What uproot (5.7) opens every name with unless told otherwise; keeps count."""

    made: list[Counted] = []

    def __init__(self, *names: Any, **options: Any) -> None:
        super().__init__(*names, **options)
        Counted.made.append(self)


def inflate_quickly() -> None:
    """Have uproot (5.7) unpack ZLIB baskets with ISA-L: it takes a third of zlib's time.

    ``uproot.ZLIB.library`` is for writing; what reads is an object of another class.
    """
    with contextlib.suppress(ImportError):
        importlib.import_module("isal.isal_zlib")  # now, as memory will be scarce
        uproot.compression._decompress_ZLIB.library = "isal"


def count() -> Callable[[], int]:
    """Begin to count; returns what tells the bytes that were asked for, and forgets them."""
    uproot.source.fsspec.FSSpecSource = Counted
    Counted.made.clear()

    def told() -> int:
        total = sum(int(one.num_requested_bytes) for one in Counted.made)
        Counted.made.clear()
        return total

    return told


def handler(path: str) -> Any:
    """Return what opens a file best: mapped files are read a fifth quicker than others."""
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    try:
        size = os.stat(path).st_size  # noqa: PTH116 (one call)
    except OSError:
        return None
    fits = most == resource.RLIM_INFINITY or size * SHARE <= most
    return uproot.MemmapSource if fits else None


@contextmanager
def opened(given: dict[str, Any], handle: int) -> Iterator[Opened]:
    """Give the file that a message speaks of.

    Parameters
    ----------
    given
        The message's ``input``.
    handle
        Descriptor of a file, or of a socket.
    """
    if given["kind"] == "file":
        counted = count()
        source = Opened(f"/proc/self/fd/{handle}")
        try:
            yield source
        finally:
            source.bytes_in = source.bytes_in or counted()
        return

    with socket.socket(fileno=os.dup(handle)) as end:
        Stream.current = stream = Stream(end, given["name"], given["size"])
        filesystem.register()
        source = Opened(f"{SCHEME}://0/{stream.name}")
        try:
            yield source
        finally:
            source.bytes_in = stream.bytes_in
            Stream.current = None
