"""Results that go to a folder, too: ``result-destination: volume``."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from casita.accounts import account
from casita.errors import CasitaError
from casita_columns.objects import Objects
from casita_columns.settings import ColumnsSettings


def place(settings: ColumnsSettings, user: str, objects: Objects, key: str) -> Path:
    """Copy an object to ``<volume>/<user>/<request>/<name>``, whole or not at all.

    Raises
    ------
    CasitaError
        There is no volume, or it can't be written.
    """
    if settings.volume is None:
        raise NO_VOLUME
    request, _, name = key.partition("/")
    folder = settings.volume / user / request
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".")
        with os.fdopen(handle, "wb") as out, objects.open(key) as stream:
            shutil.copyfileobj(stream, out, 2**20)
            out.flush()
            os.fsync(out.fileno())
            os.fchmod(out.fileno(), 0o640)
        _give(user, folder.parent, folder, Path(temporary))
        return Path(temporary).rename(folder / name)
    except OSError as error:
        raise CasitaError(f"{folder}: can't be written: {error.strerror}") from None


def _give(user: str, *paths: Path) -> None:
    """Make paths a user's, where there are users' accounts."""
    if os.getuid() == 0:
        try:
            one = account(user)
        except CasitaError:
            return  # embedded, by root
        for path in paths:
            os.chown(path, one.uid, one.gid, follow_symlinks=False)


NO_VOLUME = CasitaError(
    "this facility has no volume for results",
    hint='ask for "object-store", or have the operator set backends.columns.volume',
)
