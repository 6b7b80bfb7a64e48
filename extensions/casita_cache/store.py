"""What a cache has on its disk: reads XCache's folders, and removes files from them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from casita_cache import cinfo
from casita_cache.cinfo import Cinfo, CinfoError

ENDING = ".cinfo"
SPACES = ("data", "meta")
CHECKSUMS = ".xrdt"
"""Folder with the page checksums of every file, and the ending of their names."""
OWN = (CHECKSUMS, "pfc-stats")
"""Folders of the server's own among those of the origin."""
AGAIN_SECONDS = 0.05
"""The server writes in place: half of a change may be read once."""


@dataclass(frozen=True)
class Cached:
    """A file that the cache has met."""

    path: str
    """At the origin."""
    info: Cinfo


class Store:
    """The files of one cache.

    Parameters
    ----------
    directory
        The server's own; its namespace is ``ns`` there.
    """

    def __init__(self, directory: Path) -> None:
        self._root = directory / "ns"
        self._known: dict[str, tuple[int, int, Cinfo]] = {}

    def stat(self, path: str) -> Cached | None:
        """Return a file, or None if the cache has nothing of it."""
        info = self._read(self._root / (path.lstrip("/") + ENDING), path)
        return Cached(path, info) if info else None

    def files(self, below: str = "/") -> Iterator[Cached]:
        """Yield every file below a folder, or the file of that name, by path."""
        if below != "/" and (one := self.stat(below)):
            yield one
        for folder, folders, names in os.walk(self._root / below.strip("/")):
            if folder == str(self._root):
                folders[:] = [one for one in folders if one not in OWN]
            folders.sort()
            for name in sorted(names):
                if name.endswith(ENDING):
                    file = Path(folder, name.removesuffix(ENDING))
                    if one := self.stat(f"/{file.relative_to(self._root)}"):
                        yield one

    def evict(self, path: str) -> int:
        """Remove a file from disk; returns the bytes it had there.

        The server may have it open: it goes on with what it holds, which is gone when it closes.
        """
        found = self.stat(path)
        *folders, name = path.strip("/").split("/")
        with suppress(OSError), _entered(self._root, folders) as folder:
            for one in (name + ENDING, name):  # without its map, the rest is nothing to the server
                self._remove(one, folder)
        with suppress(OSError), _entered(self._root, [CHECKSUMS, *folders]) as folder:
            for one in (name + ENDING, name):
                self._remove(f"{one}.{CHECKSUMS.strip('.')}", folder)
        self._known.pop(path, None)
        for top in (self._root, self._root / CHECKSUMS):
            self._tidy((top / path.lstrip("/")).parent)
        return found.info.cached_bytes if found else 0

    def _remove(self, name: str, folder: int) -> None:
        """Remove a link, and the file in the server's spaces to which it leads."""
        with suppress(OSError, ValueError):
            target = Path(os.readlink(name, dir_fd=folder))
            space = target.relative_to(self._root.parent).parts
            if space[0] in SPACES:
                with _entered(self._root.parent, space[:-1]) as there:
                    os.unlink(space[-1], dir_fd=there)
        with suppress(OSError):
            os.unlink(name, dir_fd=folder)

    def _tidy(self, folder: Path) -> None:
        while folder != self._root and self._root in folder.parents:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    def _read(self, file: Path, path: str) -> Cinfo | None:
        try:
            about = file.stat()
        except OSError:
            self._known.pop(path, None)
            return None
        known = self._known.get(path)
        if known and known[:2] == (about.st_mtime_ns, about.st_size):
            return known[2]
        info = _parsed(file)
        if info:
            self._known[path] = (about.st_mtime_ns, about.st_size, info)
        return info


@contextmanager
def _entered(root: Path, folders: Iterable[str]) -> Iterator[int]:
    """Open a folder without following links: they are the server's, and we may be root.

    Raises
    ------
    OSError
        There is no such folder, or a link on the way to it.
    """
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for one in folders:
            if one == "..":
                raise NotADirectoryError(one)
            inner = os.open(one, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def _parsed(file: Path) -> Cinfo | None:
    for wait in (AGAIN_SECONDS, AGAIN_SECONDS, 0.0):
        try:
            return cinfo.read(file.read_bytes())
        except CinfoError:
            time.sleep(wait)
        except OSError:
            return None
    return None
