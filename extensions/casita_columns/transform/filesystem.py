"""The stream as a file system of fsspec's, for uproot, pyarrow and users' functions."""

from __future__ import annotations

from typing import Any

import fsspec
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from .stream import SCHEME, Stream


def register() -> None:
    """Make ``casita://`` known."""
    fsspec.register_implementation(SCHEME, Files, clobber=True)


def _stream() -> Stream:
    if Stream.current is None:
        raise FileNotFoundError("the file is closed")
    return Stream.current


class Files(AbstractFileSystem):  # type: ignore[misc]
    """Has one file."""

    protocol = SCHEME
    cachable = False

    def info(self, path: str, **more: Any) -> dict[str, Any]:
        """Return name, size in bytes and kind."""
        return {"name": path, "size": _stream().size, "type": "file"}

    def ls(self, path: str, detail: bool = True, **more: Any) -> list[Any]:
        """Return the file."""
        found = self.info(path)
        return [found if detail else found["name"]]

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **more: Any
    ) -> bytes:
        """Return a part of it."""
        return _stream().read([self._range(start, end)])[0]

    def cat_ranges(self, paths: Any, starts: Any, ends: Any, **more: Any) -> list[bytes]:
        """Return parts of it, by one request."""
        starts = starts if isinstance(starts, list) else [starts] * len(paths)
        ends = ends if isinstance(ends, list) else [ends] * len(paths)
        return _stream().read([self._range(*one) for one in zip(starts, ends, strict=True)])

    def _range(self, start: int | None, end: int | None) -> tuple[int, int]:
        size = _stream().size
        begin, stop = slice(start, end).indices(size)[:2]
        return begin, max(0, stop - begin)

    def _open(self, path: str, mode: str = "rb", **more: Any) -> File:
        if mode != "rb":
            raise PermissionError("it can only be read")
        return File(self, path, mode, size=_stream().size, cache_type="readahead")


class File(AbstractBufferedFile):  # type: ignore[misc]
    """The file as an open one."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        return _stream().read([(start, end - start)])[0]
