"""Files that are whole or absent: atomic writes, private modes."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import tempfile
import threading
from pathlib import Path
from typing import Any

from casita.errors import StateError


def private_directory(path: Path, mode: int = 0o700) -> Path:
    """Make ``path`` (and parents) and give it exactly ``mode``.

    Raises
    ------
    StateError
        It can't be made, or is something else than a folder.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
    except OSError as error:
        raise StateError(
            f"{path}: can't be used as a folder: {error.strerror}",
            hint="choose another with --state DIR",
        ) from error
    return path


def own_directory(path: Path, mode: int = 0o700) -> Path:
    """Make ``path``, with exactly ``mode``, where others may have put a folder or a link first.

    Raises
    ------
    StateError
        It can't be made, or it is somebody else's.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            if os.fstat(handle).st_uid != os.getuid():
                raise PermissionError(errno.EPERM, "it belongs to somebody else")
            os.fchmod(handle, mode)
        finally:
            os.close(handle)
    except OSError as error:
        raise StateError(
            f"{path}: can't be used as a folder: {error.strerror}",
            hint="remove it, or choose another state directory with --state DIR",
        ) from error
    return path


def closed_to_others(*paths: Path) -> Path | None:
    """Return the first folder on the way to ``paths``, or of them, that others can't enter."""
    for path in paths:
        real = path.resolve()
        for folder in (*reversed(real.parents), real):
            if not folder.stat().st_mode & stat.S_IXOTH:
                return folder
    return None


def write_atomic(path: Path, content: str | bytes, mode: int = 0o600) -> None:
    """Write a file so that readers see the old or the new content, never a part.

    Raises
    ------
    StateError
        The disk is full or the folder can't be written; the old content stays.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        remedy = "free some space" if error.errno == errno.ENOSPC else "check the folder's owner"
        raise StateError(f"{path}: can't be written: {error.strerror}", hint=remedy) from error


def create_once(path: Path, content: str) -> None:
    """Write a private file unless it is there; of several that try at once, one wins.

    Nobody ever sees it empty: a program that starts at the same time may read it.

    Raises
    ------
    StateError
        The disk is full or the folder can't be written.
    """
    own = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    write_atomic(own, content)
    try:
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(own)
    except OSError as error:
        raise StateError(f"{path}: can't be written: {error.strerror}") from error
    finally:
        own.unlink()


def write_json(path: Path, content: Any, mode: int = 0o600) -> None:
    """Write JSON as :func:`write_atomic` does."""
    write_atomic(path, json.dumps(content, indent=2, sort_keys=True) + "\n", mode)


def read_json(path: Path, default: Any = None) -> Any:
    """Return the parsed file, or ``default`` when it is absent or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return default


def tail(path: Path, lines: int = 20, limit: int = 64 * 1024) -> str:
    """Return the last ``lines`` lines of a log, reading at most ``limit`` bytes; "" if absent."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - limit))
            text = stream.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
