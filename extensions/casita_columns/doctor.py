"""What is wrong with column delivery, for ``casita doctor``."""

from __future__ import annotations

import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from casita.backend import Finding, Place
from casita.errors import CasitaError
from casita.units import format_size
from casita_columns.finders import registry
from casita_columns.records.database import open_engine
from casita_columns.settings import ColumnsSettings
from casita_columns.store.objects import Objects
from casita_columns.workers.codegens import NEEDS, probe
from casita_columns.workers.sandbox import has_filter, interpreter, missing

LOW_PART = 0.05


def check(config: ColumnsSettings, place: Place) -> list[Finding]:
    """Return the findings of every check."""
    python = interpreter(config.python, Path(sys.prefix))
    found = [*_codegens(python), *_sandbox(config, place, python), *_filter(python)]
    found += [*_space(config, place), *_database(config), *_store(config)]
    troubles = registry(config.finders, config.datasets).troubles
    remedy = "see [backends.columns.finders] in casita.toml"
    return found + [Finding("warning", "finder", one, remedy) for one in troubles.values()]


def _codegens(python: Path) -> Iterator[Finding]:
    try:
        here = probe(python).here
    except OSError as error:
        yield Finding(
            "error",
            "code generators",
            f"{python} can't be run: {error.strerror}",
            "name an interpreter by backends.columns.python",
        )
        return
    absent = [one for one in NEEDS if one not in here]
    if absent:
        yield Finding(
            "warning",
            "code generators",
            f"{python} has not what {', '.join(absent)} needs, so it is not offered",
            "make the environment for users' code: pip install 'casita[transform]' into "
            f"{Path(sys.prefix) / 'transform'}, or set backends.columns.python",
        )
    else:
        yield Finding("ok", "code generators", ", ".join(here))


def _sandbox(config: ColumnsSettings, place: Place, python: Path) -> Iterator[Finding]:
    trouble = missing(python)
    if config.sandbox != "none" and not trouble:
        yield Finding("ok", "sandbox", "users' code is confined by bubblewrap")
        return
    why = trouble or 'backends.columns.sandbox is "none"'
    reach = "its user's account" if place.profile == "multiuser" else "this facility's account"
    yield Finding(
        "error" if config.sandbox == "bubblewrap" else "warning",
        "sandbox",
        f"{why}: code in queries reaches what {reach} does",
        "apt-get install bubblewrap, and let users make namespaces "
        "(sysctl kernel.unprivileged_userns_clone=1; on Ubuntu an AppArmor profile for bwrap)",
    )


def _filter(python: Path) -> Iterator[Finding]:
    if has_filter(python):
        yield Finding("ok", "system calls", "users' code starts no programs and opens no sockets")
        return
    yield Finding(
        "warning",
        "system calls",
        f"{python} can't refuse any: users' code may start programs where it runs",
        "pip install pyseccomp into that environment, and apt-get install libseccomp2",
    )


def _database(config: ColumnsSettings) -> Iterator[Finding]:
    if config.database:
        try:
            open_engine(config.database).dispose()
        except CasitaError as error:
            yield Finding("error", "database", error.message, error.hint)
        else:
            yield Finding("ok", "database", "it answers")


def _store(config: ColumnsSettings) -> Iterator[Finding]:
    """Put something into the store and take it out again."""
    if not config.store:
        return
    try:
        with tempfile.TemporaryDirectory() as folder:
            objects = Objects.of(config.store, config.whole_store_options(), Path(folder))
            key = f"doctor-{secrets.token_hex(8)}/empty"
            objects.commit(objects.spool(), key)
            objects.size(key)
            objects.delete(key)
    except CasitaError as error:
        cause = error.__cause__
        said = f"{error.message}: {cause}" if cause else error.message
        yield Finding("error", "store of results", f"{config.store}: {said}", error.hint)
    else:
        yield Finding("ok", "store of results", f"{config.store} keeps what it is given")


def _space(config: ColumnsSettings, place: Place) -> Iterator[Finding]:
    if config.store:
        return
    folder = place.directory
    while not folder.exists():
        folder = folder.parent
    disk = shutil.disk_usage(folder)
    said = f"{format_size(disk.free)} free for results at {place.directory}"
    if disk.free < LOW_PART * disk.total:
        yield Finding(
            "warning",
            "space for results",
            said,
            "free some, or set backends.columns.store or .keep",
        )
    else:
        yield Finding("ok", "space for results", said)
