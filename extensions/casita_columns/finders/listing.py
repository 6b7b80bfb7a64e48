"""Listing folders, of this machine and of XRootD servers."""

from __future__ import annotations

import os

from casita_columns.finders.base import BadName, Entry, LookupFailed, NotThere

TIMEOUT = 60
NOT_FOUND = 3011
"""``kXR_NotFound`` (XProtocol.hh)."""


def local_listing(path: str) -> list[Entry]:
    """Return a folder of this machine.

    Raises
    ------
    NotThere
        There is no such folder, or it can't be entered.
    """
    try:
        with os.scandir(path) as entries:
            return [_entry(one) for one in entries]
    except (OSError, ValueError) as error:
        raise NotThere(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def _entry(one: os.DirEntry[str]) -> Entry:
    try:
        is_folder = one.is_dir()
        size = None if is_folder else one.stat().st_size
    except OSError:
        return Entry(one.name, None, False)  # a link that leads nowhere
    return Entry(one.name, size, is_folder)


def xrootd_listing(url: str) -> list[Entry]:
    """Return a folder of an XRootD server.

    Raises
    ------
    NotThere
        There is no such folder.
    LookupFailed
        The server does not answer, or refuses.
    """
    from XRootD import client
    from XRootD.client.flags import DirListFlags, StatInfoFlags

    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    if not scheme.startswith(("root", "xroot")):
        raise BadName(f"{url}: patterns are for XRootD servers and local paths only")
    path = "/" + path.lstrip("/")
    status, found = client.FileSystem(f"{scheme}://{host}").dirlist(
        path, DirListFlags.STAT, timeout=TIMEOUT
    )
    if not status.ok:
        message = f"{url}: {status.message.strip()}"
        if status.errno == NOT_FOUND:
            raise NotThere(message)
        raise LookupFailed(message, hint="try again in a moment")
    return [
        Entry(
            one.name.rpartition("/")[2],
            int(one.statinfo.size) if one.statinfo else None,
            bool(one.statinfo and one.statinfo.flags & StatInfoFlags.IS_DIR),
        )
        for one in found
    ]
