"""The service as a reader: fetches whole files through a cache, and looks at origins."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator
from typing import Any

from XRootD import client
from XRootD.client.flags import DirListFlags, OpenFlags, StatInfoFlags

from casita.errors import CasitaError, DeniedError, MissingError, ServiceError

CHUNK = 8 * 2**20
"""Bytes read at a time: long enough for a far origin, short enough to cancel."""
TIMEOUT = 60
"""Seconds for one answer."""
NOT_AUTHORISED, NOT_FOUND, BAD_CHECKSUM = 3010, 3011, 3019
"""``kXR_`` errors (XProtocol.hh)."""
DEPTH = 20
"""Folders within folders that are looked through."""
MOST = 100_000
"""Files that one folder or pattern may stand for."""


class ChecksumError(ServiceError):
    """The cache's copy of a file is corrupt, as its page checksums tell."""


def check(status: Any, url: str) -> None:
    """Turn a bad answer of a server into one sentence.

    Raises
    ------
    CasitaError
        The status is bad.
    """
    if status.ok:
        return
    url = re.sub(r"//[^/@]*@", "//", url)  # a login name tells people nothing
    said = " ".join(str(status.message).split()).removeprefix("[ERROR] ")
    if status.errno == NOT_FOUND:
        raise MissingError(f"{url}: there is no such file")
    if status.errno == NOT_AUTHORISED:
        raise DeniedError(f"{url}: its server does not let us read it")
    if status.errno == BAD_CHECKSUM:
        raise ChecksumError(f"{url}: the copy on the cache's disk is corrupt")
    raise ServiceError(f"{url}: {said}", hint="is its server up?")


def hold(url: str) -> Any:
    """Open a file and keep it open, so that the cache does not purge it.

    Raises
    ------
    CasitaError
        It can't be opened.
    """
    file = client.File()
    status, _ = file.open(url, OpenFlags.READ, timeout=TIMEOUT)
    check(status, url)
    return file


def fetch(
    url: str,
    advance: Callable[[int], None],
    stopped: Callable[[], bool],
    size: int | None = None,
    sized: Callable[[int], None] = lambda size: None,
) -> None:
    """Read a whole file, so that the cache has it then.

    Parameters
    ----------
    advance
        Told after each piece how many bytes it had.
    stopped
        Asked before each piece whether to give up.
    size
        What it must have, bytes.
    sized
        Told what it has.

    Raises
    ------
    CasitaError
        It can't be read, or has another size.
    """
    file = hold(url)
    try:
        status, about = file.stat(timeout=TIMEOUT)
        check(status, url)
        if size is not None and about.size != size:
            raise ServiceError(f"{url} has {about.size} bytes, the catalogue says {size}")
        sized(about.size)
        offset = 0
        while offset < about.size and not stopped():
            status, data = file.read(offset, min(CHUNK, about.size - offset), timeout=TIMEOUT)
            check(status, url)
            if not data:
                raise ServiceError(f"{url} ends after {offset} of {about.size} bytes")
            offset += len(data)
            advance(len(data))
    finally:
        file.close(timeout=TIMEOUT)


def stat(server: str, path: str) -> Any:
    """Return what a server says of a file: ``size`` (bytes), ``modtime`` (Unix time), ``flags``.

    Raises
    ------
    CasitaError
        It says nothing.
    """
    status, about = client.FileSystem(server).stat(path, timeout=TIMEOUT)
    check(status, f"{server}/{path}")
    return about


def listing(server: str, path: str) -> list[tuple[str, int, bool]]:
    """Return (path, size in bytes, whether it is a folder) of a folder's content.

    Raises
    ------
    CasitaError
        The server does not answer, or there is no such folder.
    """
    status, found = client.FileSystem(server).dirlist(path, DirListFlags.STAT, timeout=TIMEOUT)
    check(status, f"{server}/{path}")
    base = path.rstrip("/")
    return [
        (
            f"{base}/{one.name}",
            one.statinfo.size if one.statinfo else 0,
            bool(one.statinfo and one.statinfo.flags & StatInfoFlags.IS_DIR),
        )
        for one in found
    ]


def expand(server: str, path: str) -> Iterator[tuple[str, int]]:
    """Yield (path, size in bytes) of the files that a folder (``/a/``) or pattern stands for.

    Raises
    ------
    CasitaError
        There are none, or too many.
    """
    folder, _, pattern = path.rpartition("/")
    if any(one in folder for one in "*?["):
        raise CasitaError(f"{path}: * and ? are for the last part of a path only")
    count = 0
    for name, size in _below(server, folder or "/", pattern, 0):
        count += 1
        if count > MOST:
            raise CasitaError(f"{path}: stands for more than {MOST} files", hint="name a folder")
        yield name, size
    if not count:
        raise MissingError(f"{server}/{path}: there is no such file")


def _below(server: str, folder: str, pattern: str, depth: int) -> Iterator[tuple[str, int]]:
    for path, size, is_folder in sorted(listing(server, folder)):
        if pattern and not fnmatch.fnmatchcase(path.rpartition("/")[2], pattern):
            continue
        if not is_folder:
            yield path, size
        elif not pattern and depth < DEPTH:
            yield from _below(server, path, "", depth + 1)
