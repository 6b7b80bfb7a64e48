"""The datasets of a facility: names for lists of files, in coffea's fileset form.

A file of the catalogue, YAML or JSON, holds one or more datasets::

    ttbar:
      files:
        root://eospublic.cern.ch//eos/opendata/a.root: Events
        root://eospublic.cern.ch//eos/opendata/b.root:
          object_path: Events
          size: 1234            # bytes
          checksum: adler32:c9600ebc
      metadata:
        title: Top quark pairs

``files`` may be a list, too, of trees called ``Events``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from casita.errors import DataError, MissingError

ENDINGS = (".json", ".yaml", ".yml")
TREE = "Events"


@dataclass(frozen=True)
class DataFile:
    """One file of a dataset."""

    url: str
    tree: str = TREE
    size: int | None = None
    """Bytes."""
    checksum: str = ""
    """``algorithm:hex``."""


@dataclass(frozen=True)
class Dataset:
    """A name for files of one kind."""

    name: str
    files: tuple[DataFile, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What it is, for people."""
        return str(self.metadata.get("title", ""))

    @property
    def tree(self) -> str:
        """The tree of its first file."""
        return self.files[0].tree if self.files else ""

    @property
    def size(self) -> int | None:
        """Bytes, if known of every file."""
        sizes = [one.size for one in self.files]
        return None if None in sizes else sum(one for one in sizes if one is not None)

    def fileset(self) -> dict[str, Any]:
        """Return it in coffea's form."""
        files = {one.url: one.tree for one in self.files}
        return {self.name: {"files": files, "metadata": dict(self.metadata)}}


def parse(content: object, place: str) -> list[Dataset]:
    """Return the datasets in a document.

    Parameters
    ----------
    place
        Where it is from, for messages.

    Raises
    ------
    DataError
        It is no fileset, with the place and the key.
    """
    if not isinstance(content, Mapping):
        raise DataError(f"{place}: holds no datasets", hint="NAME: {files: {URL: TREE}}")
    return [_dataset(str(name), one, place) for name, one in content.items()]


def _dataset(name: str, content: object, place: str) -> Dataset:
    files = content.get("files") if isinstance(content, Mapping) else content
    metadata = content.get("metadata") or {} if isinstance(content, Mapping) else {}
    if not name or not name.isprintable() or "/" in name:
        raise DataError(f"{place}: {name[:80]!r} can't be the name of a dataset")
    if isinstance(files, list):
        files = dict.fromkeys(files, TREE)
    if not isinstance(files, Mapping) or not files or not isinstance(metadata, Mapping):
        raise DataError(
            f"{place}: dataset {name}: has no files",
            hint=f"{name}: {{files: {{URL: TREE}}, metadata: {{}}}}",
        )
    where = f"{place}: dataset {name}"
    return Dataset(name, tuple(_file(url, one, where) for url, one in files.items()), metadata)


def _file(url: object, content: object, place: str) -> DataFile:
    if not isinstance(url, str) or not url.strip():
        raise DataError(f"{place}: {url!r} is no file")
    if isinstance(content, str):
        return DataFile(url, content)
    if not isinstance(content, Mapping):
        raise DataError(f"{place}: {url}: write the name of its tree", hint=f"{url}: Events")
    size = content.get("size")
    if size is not None and (not isinstance(size, int) or size < 0):
        raise DataError(f"{place}: {url}: size {size!r} is no number of bytes")
    tree = str(content.get("object_path") or TREE)
    return DataFile(url, tree, size, str(content.get("checksum") or ""))


def load(path: Path) -> dict[str, Dataset]:
    """Return the datasets in a file, or in all files of a directory, by name.

    Raises
    ------
    DataError
        A file can't be read or is no fileset, or two files name the same dataset.
    """
    found: dict[str, Dataset] = {}
    for file in _files(path):
        for one in parse(_content(file), str(file)):
            if one.name in found:
                raise DataError(f"{file}: there is another dataset {one.name}")
            found[one.name] = one
    return found


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(one for one in path.iterdir() if one.suffix in ENDINGS)
    elif path.exists():
        yield path
    else:
        raise DataError(f"{path}: no such file", hint="set backends.cache.catalogue")


def _content(file: Path) -> object:
    import yaml

    try:
        text = file.read_text(encoding="utf-8")
        return json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{file}: can't be read: {error}") from error


class Catalogue:
    """The datasets of a facility; files that change are read again.

    Parameters
    ----------
    inline
        Those of ``casita.toml``, parsed.
    path
        A file or directory with more, or None.
    """

    def __init__(self, inline: list[Dataset], path: Path | None) -> None:
        self._inline = {one.name: one for one in inline}
        self._path = path
        self._stamp: tuple[Any, ...] = ()
        self._loaded: dict[str, Dataset] = {}

    def all(self) -> dict[str, Dataset]:
        """Return every dataset by name.

        Raises
        ------
        DataError
            A file is wrong.
        """
        if self._path:
            files = list(_files(self._path))
            stamp = tuple((one, one.stat().st_mtime_ns) for one in files)
            if stamp != self._stamp:
                self._loaded, self._stamp = load(self._path), stamp
        return self._inline | self._loaded

    def get(self, name: str) -> Dataset:
        """Return one dataset.

        Raises
        ------
        MissingError
            There is none of that name.
        """
        found = self.all().get(name)
        if found is None:
            raise MissingError(f"there is no dataset {name[:80]!r}", hint="`casita cache datasets`")
        return found

    def search(self, words: str) -> list[Dataset]:
        """Return the datasets whose name or metadata hold all words, by name."""
        wanted = words.lower().split()
        return [
            one
            for _, one in sorted(self.all().items())
            if all(word in f"{one.name} {dict(one.metadata)}".lower() for word in wanted)
        ]
