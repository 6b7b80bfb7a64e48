"""Listing folders, of this machine and of XRootD servers.

Links that lead back to a folder on the way are left out, or a search would never end.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from casita_columns.finders.base import BadName, Entry, LookupFailed, NotThere
from casita_columns.finders.glob import SERVER

TIMEOUT = 60
"""Seconds that an XRootD server may take for an answer."""
NOT_FOUND = 3011
"""``kXR_NotFound`` (XProtocol.hh)."""
NO_IDENTIFIER = "0"
"""What some servers, e.g. dCache, give for every file."""
Inode = tuple[int, int]


def local_listing(path: str) -> list[Entry]:
    """Return the folders and plain files of a folder of this machine.

    Raises
    ------
    NotThere
        There is no such folder.
    LookupFailed
        It can't be listed.
    """
    try:
        way = set[Inode]()
        with os.scandir(path) as entries:
            return list(_local(entries, path, way))
    except (FileNotFoundError, NotADirectoryError):
        raise NotThere(f"there is no folder {path}") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise LookupFailed(f"{path} can't be listed: {why}") from None


def _local(entries: Iterator[os.DirEntry[str]], path: str, way: set[Inode]) -> Iterator[Entry]:
    for one in entries:
        try:
            if one.is_symlink() and one.is_dir():
                way = way or _way(path)
                if _inode(one.stat()) in way:
                    continue
            if one.is_dir():
                yield Entry(one.name, None, True)
            elif stat.S_ISREG((status := one.stat()).st_mode):
                yield Entry(one.name, status.st_size, False)
        except OSError:  # a link that leads nowhere, or is gone by now
            continue


def _way(path: str) -> set[Inode]:
    """Return which folders lead to one, itself included, by the way that was taken."""
    return {_inode(os.stat(one)) for one in _prefixes(path)}  # noqa: PTH116 (of links' targets)


def _inode(status: os.stat_result) -> Inode:
    return status.st_dev, status.st_ino


def _prefixes(path: str) -> Iterator[str]:
    parts = (one for one in path.split("/") if one)
    for one in accumulate(parts, "{}/{}".format, initial=""):
        yield one or "/"


def xrootd_listing(url: str) -> list[Entry]:
    """Return a folder of an XRootD server; of a cluster, what all its servers have.

    Raises
    ------
    BadName
        It is no such folder's URL.
    NotThere
        There is no such folder.
    LookupFailed
        The server does not answer, or refuses.
    """
    from XRootD import client
    from XRootD.client.flags import StatInfoFlags

    if not (found := SERVER.fullmatch(url)):
        raise BadName(f"{url[:200]} is no folder of an XRootD server")
    server, path, opaque = found[1], f"/{found[2].rstrip('/')}", found[3] or ""
    system = client.FileSystem(server.rstrip("/"))
    if _is_circle(system, path):
        return []
    entries = {}
    for one in _listed(system, f"{path}{opaque}", url):
        folder = bool(one.statinfo and one.statinfo.flags & StatInfoFlags.IS_DIR)
        size = int(one.statinfo.size) if one.statinfo and not folder else None
        name = one.name.rpartition("/")[2]
        entries[name] = Entry(name, size, folder)
    return list(entries.values())


def _listed(system: Any, path: str, url: str) -> Any:
    """Return the lines of a listing, as ``xrdfs ls`` asks for it."""
    from XRootD.client.flags import DirListFlags

    whole = DirListFlags.STAT | DirListFlags.LOCATE | DirListFlags.MERGE
    status, found = system.dirlist(path, whole, timeout=TIMEOUT)
    if not status.ok and status.errno != NOT_FOUND:
        # Servers that a cluster names may be out of reach from here.
        status, found = system.dirlist(path, DirListFlags.STAT, timeout=TIMEOUT)
    if status.ok:
        return found
    if status.errno == NOT_FOUND:
        raise NotThere(f"there is no folder {url}")
    raise LookupFailed(
        f"{url} can't be listed: {status.message.strip()}", hint="try again in a moment"
    )


def _is_circle(system: Any, path: str) -> bool:
    """Tell whether a folder is one that leads to it, by identifiers of the server's file system.

    Listings don't say what is a link.  A circle repeats a name: all else is not asked about.
    """
    parts = path.split("/")
    if len(set(parts)) == len(parts):
        return False
    *before, last = (_identifier(system, one) for one in accumulate(parts[1:], "{}/{}".format))
    return last != NO_IDENTIFIER and last in before


def _identifier(system: Any, path: str) -> str:
    status, info = system.stat(f"/{path}", timeout=TIMEOUT)
    return str(info.id) if status.ok else NO_IDENTIFIER
