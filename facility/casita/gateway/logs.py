"""Logs of schedulers and workers, read on behalf of their owner.

In the multiuser profile the reader is root and the folder is the user's, who may put links in it;
so every step is opened without following links, and only files of the owner's uid are read.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LIMIT = 256 * 1024
"""Bytes read from the end of one log."""
FILES = 200
"""Logs read of one cluster; its user can make any number."""
KEPT = 50
"""Failed clusters whose logs are kept."""


def read(folder: Path, lines: int, owner: int | None = None) -> dict[str, str]:
    """Return the last ``lines`` lines of every ``*.log`` in ``folder``, by process name.

    Parameters
    ----------
    folder
        ``<cluster's working folder>/logs``; absent is empty.
    owner
        Only files of this uid; None takes any.
    """
    found: dict[str, str] = {}
    try:
        with _opened(folder) as directory:
            names = sorted(os.listdir(directory))  # noqa: PTH208 (of an open folder)
            for name in [one for one in names if one.endswith(".log")][:FILES]:
                found[name.removesuffix(".log")] = _tail(directory, name, lines, owner)
    except OSError:
        return found
    return found


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    parent = os.open(folder.parent, flags)
    try:
        directory = os.open(folder.name, flags, dir_fd=parent)
    finally:
        os.close(parent)
    try:
        yield directory
    finally:
        os.close(directory)


def _tail(directory: int, name: str, lines: int, owner: int | None) -> str:
    try:
        # Non-blocking: a named pipe put there must not hold the gateway up.
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except OSError:
        return ""
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode) or (owner is not None and about.st_uid != owner):
        os.close(handle)
        return ""
    with os.fdopen(handle, "rb") as stream:
        stream.seek(max(0, about.st_size - LIMIT))
        text = stream.read(LIMIT).decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:])


def keep(logs: dict[str, str], reason: str, folder: Path) -> None:
    """Store the logs of a failed cluster in ``folder``; the oldest beyond :data:`KEPT` go."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, text in logs.items():
        (folder / f"{name}.log").write_text(text)
    (folder / "reason").write_text(reason)
    stored = sorted(folder.parent.iterdir(), key=lambda one: one.stat().st_mtime)
    for old in stored[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def reason(folder: Path) -> str:
    """Return why the cluster whose logs were kept in ``folder`` failed, or ""."""
    try:
        return (folder / "reason").read_text()
    except OSError:
        return ""
