"""Datasets of the facility's own: ``catalogue://NAME``.

They are in coffea's fileset form, in the configuration, in files beside it, or in another service's
catalogue::

    NAME: {files: {URL: TREE, URL: {object_path: TREE, num_entries: N}}, metadata: {...}}

``size`` (bytes), ``checksum`` (``adler32:hex``) and ``replicas`` (further URLs) of a file are ours.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from casita.backend import Settings
from casita_columns.finders.base import BadName, Context, Found, LookupFailed, NotThere
from casita_columns.finders.files import HINT, address

ENDINGS = (".json", ".json.gz", ".yaml", ".yml")
Stamp = tuple[tuple[str, int, int], ...]


class CatalogueSettings(Settings):
    """``[backends.columns.finders.catalogue]``."""

    path: Path | None = Field(
        default=None,
        description="A file of datasets (JSON, YAML), or a folder of such; one that changes is "
        "read again.",
    )


class Catalogue:
    """The name is a key of a fileset.

    Parameters
    ----------
    datasets
        Those of the configuration.
    """

    scheme = "catalogue"
    title = "Datasets of this facility"

    def __init__(self, settings: Mapping[str, Any], datasets: Mapping[str, Any]) -> None:
        self._path = CatalogueSettings.model_validate(settings).path
        self._datasets = datasets
        self._read: tuple[Stamp, dict[str, Any]] = ((), {})

    def find(self, name: str, context: Context) -> Iterator[Found]:
        """Yield the files in the fileset's order.

        Raises
        ------
        BadName
            It can't be the name of a dataset.
        NotThere
            There is no such dataset, or it has no files.
        LookupFailed
            The catalogue can't be read, or the dataset is none.
        """
        if "/" in name or "?" in name:
            raise BadName(
                f"did: {name[:200]!r} is no name of the catalogue", hint="catalogue://NAME"
            )
        dataset = self._dataset(name, context)
        if dataset is None:
            raise NotThere(f"the catalogue has no dataset {name[:200]!r}")
        yield from found(name, dataset)

    def _dataset(self, name: str, context: Context) -> Any:
        if name in self._datasets:
            return self._datasets[name]
        if (of_files := self._of_files()) and name in of_files:
            return of_files[name]
        fetched = context.fetch_fileset(name)
        return fetched.get(name, fetched) if fetched else None

    def _of_files(self) -> dict[str, Any]:
        if self._path is None:
            return {}
        try:
            files = sorted(_files(self._path))
            status = [one.stat() for one in files]
        except OSError as error:
            raise LookupFailed(f"{self._path.name}: can't be read: {error.strerror}") from error
        pairs = zip(files, status, strict=True)
        stamp = tuple((str(file), one.st_mtime_ns, one.st_size) for file, one in pairs)
        if stamp != self._read[0]:
            self._read = stamp, {key: one for file in files for key, one in _content(file).items()}
        return self._read[1]


def found(name: str, dataset: Any) -> Iterator[Found]:
    """Yield the files of a dataset in coffea's form.

    Raises
    ------
    NotThere
        It has no files.
    LookupFailed
        It has another form.
    """
    files = dataset.get("files") if isinstance(dataset, Mapping) else dataset
    if not isinstance(files, Mapping | list):
        raise LookupFailed(f"dataset {name}: has no files", hint="write files: {URL: TREE}")
    if not files:
        raise NotThere(f"dataset {name}: has no files")
    known = files if isinstance(files, Mapping) else {}
    for url in files:
        more = known.get(url) if isinstance(url, str) else None
        yield _file(name, url, more if isinstance(more, Mapping) else {})


def _file(name: str, url: object, more: Mapping[str, Any]) -> Found:
    others = more.get("replicas") or []
    paths = [address(one) if isinstance(one, str) else None for one in (url, *others)]
    if None in paths:
        raise LookupFailed(f"dataset {name}: {url!r} is no file", hint=HINT)
    kind, _, checksum = str(more.get("checksum") or "").partition(":")
    return Found(
        tuple(one for one in paths if one is not None),
        _whole(more.get("size")),
        _whole(more.get("num_entries")),
        checksum if kind == "adler32" else None,
    )


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return [one for one in path.iterdir() if one.name.endswith(ENDINGS)]
    return [path]


def _content(file: Path) -> dict[str, Any]:
    import yaml

    try:
        data = file.read_bytes()
        if file.suffix == ".gz":
            data = gzip.decompress(data)
        if file.suffix in (".yaml", ".yml"):
            content = yaml.load(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        else:
            content = json.loads(data)
    except (OSError, EOFError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise LookupFailed(f"{file.name}: can't be read: {error}") from error
    if not isinstance(content, dict):
        raise LookupFailed(
            f"{file.name}: holds no datasets", hint="write NAME: {files: {URL: TREE}}"
        )
    return content
