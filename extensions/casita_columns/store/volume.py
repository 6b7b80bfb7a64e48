"""Results that go to a folder, too: ``result-destination: volume``."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from casita.accounts import Account, account
from casita.errors import CasitaError
from casita.serving import Refused
from casita_columns.records.tables import Request
from casita_columns.settings import ColumnsSettings
from casita_columns.store.objects import Objects

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


def no_volume() -> Refused:
    """Return what to tell who wants results there where there is none."""
    return Refused(
        400,
        "bad_request",
        "this facility has no volume for results",
        'ask for "object-store", or have the operator set backends.columns.volume',
    )


def place(
    settings: ColumnsSettings, request: Request, objects: Objects, key: str, name: str
) -> Path:
    """Copy an object to ``<volume>/<user>/<request>/<name>``, whole or not at all.

    In the multiuser profile folders and file are the user's own.  Root writes there, so no name is
    followed but from one open folder to the next: the user may have put links in their places.

    Raises
    ------
    CasitaError
        There is no volume, or it can't be written.
    """
    if settings.volume is None:
        raise no_volume()
    user, owner = request.owner, _owner(request.owner)
    try:
        settings.volume.mkdir(parents=True, exist_ok=True)
        with (
            _folder(settings.volume, None, None) as volume,
            _folder(Path(user), volume, owner) as mine,
            _folder(Path(request.id), mine, owner) as folder,
        ):
            _copy(objects, key, folder, name, owner)
    except OSError as error:
        path = settings.volume / user / request.id
        raise CasitaError(f"{path}: can't be written: {error.strerror}") from None
    return settings.volume / user / request.id / name


@contextmanager
def _folder(name: Path, inside: int | None, owner: Account | None) -> Iterator[int]:
    """Give a folder, made if need be, as a descriptor."""
    if inside is not None:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o750, dir_fd=inside)
    handle = os.open(name, FOLDER if inside is not None else FOLDER & ~os.O_NOFOLLOW, dir_fd=inside)
    try:
        if owner is not None:
            os.fchown(handle, owner.uid, owner.gid)
        yield handle
    finally:
        os.close(handle)


def _copy(objects: Objects, key: str, folder: int, name: str, owner: Account | None) -> None:
    temporary = f".{secrets.token_hex(8)}"
    try:
        with (
            objects.open(key) as stream,
            os.fdopen(os.open(temporary, FILE, 0o640, dir_fd=folder), "wb") as out,
        ):
            shutil.copyfileobj(stream, out, 2**20)
            out.flush()
            os.fsync(out.fileno())
            if owner is not None:
                os.fchown(out.fileno(), owner.uid, owner.gid)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def _owner(user: str) -> Account | None:
    """Return whose the files are to be, where users have accounts."""
    if os.getuid() != 0:
        return None
    try:
        return account(user)
    except CasitaError:
        return None  # embedded, by root
