"""Local modules for a cluster's workers: those there are, and those that come later.

Distributed's own ``upload_file`` reloads a package's outermost module only, so an edit further
inside would not take effect, and files that a package reads would stay in an archive.  Here each
upload becomes a folder of its own on every worker, and what was imported before is forgotten.
"""

from __future__ import annotations

import hashlib
import io
import sys
import time
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from typing import Any

import cloudpickle
from distributed.diagnostics.plugin import SchedulerPlugin, WorkerPlugin

from casita.errors import CasitaError

LIMIT = 50 * 10**6
"""Bytes of one upload: it goes to the scheduler, and from there to each worker."""
ARCHIVES = (".zip", ".egg", ".whl")

# A cluster's environment need not have casita: what runs there is sent along.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@dataclass(frozen=True)
class Bundle:
    """Modules, packed."""

    modules: tuple[str, ...]
    """Names under which they are imported."""
    data: bytes
    """A zip archive."""

    @property
    def version(self) -> str:
        """Changes with the content."""
        return hashlib.sha256(self.data).hexdigest()[:12]


class _Shipped:
    """A bundle on its way to a process of the cluster."""

    def __init__(self, bundle: Bundle) -> None:
        modules = hashlib.sha256(" ".join(bundle.modules).encode()).hexdigest()[:12]
        self.name = f"casita-{modules}"  # a later one takes its place
        self.modules = bundle.modules
        self.folder = Path("shipped", modules, bundle.version)
        self.data = bundle.data

    def unpack(self, directory: str) -> None:
        """Make the modules importable, and forget what was imported under their names before."""
        import importlib

        path = Path(directory) / self.folder
        with zipfile.ZipFile(io.BytesIO(self.data)) as archive:
            archive.extractall(path)
        others = [one for one in sys.path if Path(one).parent != path.parent]
        sys.path[:] = [str(path), *others]
        for name in [one for one in sys.modules if one.partition(".")[0] in self.modules]:
            del sys.modules[name]
        importlib.invalidate_caches()


class OnWorkers(_Shipped, WorkerPlugin):  # type: ignore[misc]
    """For the workers there are, and those that come later."""

    def setup(self, worker: Any) -> None:
        """Take the modules (called by the worker)."""
        self.unpack(worker.local_directory)


class OnScheduler(_Shipped, SchedulerPlugin):  # type: ignore[misc]
    """For the scheduler, which reads the graphs that name the modules' functions."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        # A scheduler warns of a plug-in that takes another's place; this one keeps nothing.
        self.name = f"{self.name}-{time.time_ns()}"

    def start(self, scheduler: Any) -> None:
        """Take the modules (called by the scheduler)."""
        self.unpack(scheduler.local_directory)
        self.data = b""


def ship(client: Any, *paths: str | Path) -> None:
    """Send local modules to all workers of a cluster, also to those that come later.

    After an edit, ship again: tasks that are submitted from then on see the new code.

    Parameters
    ----------
    client
        A ``distributed.Client``.
    paths
        ``.py`` files, package folders, or archives (``.zip``, ``.egg``, ``.whl``) of modules.

    Raises
    ------
    CasitaError
        A path is none of these, is too large, or would hide an installed package.
    """
    send(client, [pack(Path(one)) for one in paths])  # all or nothing


def send(client: Any, bundles: Iterable[Bundle]) -> None:
    """Send what is packed already."""
    for bundle in bundles:
        client.register_plugin(OnScheduler(bundle))
        client.register_plugin(OnWorkers(bundle))


def pack(path: Path) -> Bundle:
    """Return a file or folder as what is sent.

    Raises
    ------
    CasitaError
        See :func:`ship`.
    """
    path = path.expanduser().absolute()
    if not path.exists():
        raise CasitaError(f"{path}: there is no such file or folder", hint="check upload=[...]")
    _refuse_large(path)
    archive = path.suffix in ARCHIVES and path.is_file()
    bundle = _archive(path) if archive else _source(path)
    for module in bundle.modules:
        _refuse_clash(module, path)
    return bundle


def _refuse_large(path: Path) -> None:
    size = sum(one.stat().st_size for one in _files(path))
    if size > LIMIT:
        raise CasitaError(
            f"{path}: {size / 1e6:.0f} MB; at most {LIMIT / 1e6:.0f} MB are sent",
            hint="leave data out of the package, or read it from a file system that workers see",
        )


def _source(path: Path) -> Bundle:
    module = path.stem if path.is_file() else path.name
    if path.is_file() and path.suffix != ".py":
        raise CasitaError(
            f"{path}: this is no Python module", hint=f"send .py, a folder, or {' '.join(ARCHIVES)}"
        )
    if not module.isidentifier():
        raise CasitaError(
            f"{path}: {module!r} can't be imported", hint="rename it: letters, digits, _"
        )
    files = list(_files(path))
    if not any(one.suffix == ".py" for one in files):
        raise CasitaError(
            f"{path}: no Python file is in this folder", hint="name a package's folder"
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            # Times and rights stay out, so that the same content is the same bundle.
            archive.writestr(
                zipfile.ZipInfo(str(file.relative_to(path.parent))),
                file.read_bytes(),
                compress_type=zipfile.ZIP_DEFLATED,
            )
    return Bundle((module,), packed.getvalue())


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    yield from sorted(one for one in path.rglob("*") if one.is_file() and _belongs(one, path))


def _belongs(file: Path, folder: Path) -> bool:
    inside = file.relative_to(folder).parts
    return "__pycache__" not in inside and not any(one.startswith(".") for one in inside)


def _archive(path: Path) -> Bundle:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise CasitaError(f"{path}: this is no zip archive: {error}") from None
    modules = tuple(sorted(set(_outermost(names))))
    if not modules:
        raise CasitaError(f"{path}: no Python module is in this archive")
    return Bundle(modules, path.read_bytes())


def _outermost(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        first, slash, _ = name.partition("/")
        module = first if slash else first.removesuffix(".py")
        if name.endswith(".py") and module.isidentifier():
            yield module


def _refuse_clash(module: str, path: Path) -> None:
    """Refuse a module that would hide another one of the same name."""
    if module in sys.stdlib_module_names:
        raise CasitaError(
            f"{path}: {module} is a module of Python itself, which it would hide", hint="rename it"
        )
    places = list(_installed(module))
    if places and path not in places:
        raise CasitaError(
            f"{path}: a package called {module} is installed, which it would hide",
            hint="rename it, or uninstall that package",
        )


def _installed(module: str) -> Iterator[Path]:
    """Yield where a module of this name is installed; nothing for ``pip install --editable``."""
    for name in packages_distributions().get(module, ()):
        for file in (module, f"{module}.py"):
            place = Path(str(distribution(name).locate_file(file)))
            if place.exists():
                yield place
