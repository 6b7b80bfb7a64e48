"""Lists of files, and what may be a file's address."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field

from casita.backend import Settings
from casita_columns.finders.base import BadName, Context, Found

PATH_MAX = 4096
LOCAL = re.compile(r"(?:file://)?(/[^/].*)")
XROOTD = re.compile(r"(x?roots?)://([^/?#\s]+)/+([^/].*)")
WEB = re.compile(r"(?:https?|davs?)://[^/?#\s]+/.+")
HINT = "write /path/file.root, root://host//path/file.root or https://host/path/file.root"


def address(text: str) -> str | None:
    """Return a file's address in its one spelling, or None if it can't be one.

    An absolute local path, or the URL of an XRootD server (with the two slashes that make its path
    absolute) or a web server.
    """
    if len(text) > PATH_MAX or not text.isprintable():
        return None
    if found := LOCAL.fullmatch(text):
        return found[1]
    if found := XROOTD.fullmatch(text):
        return f"{found[1]}://{found[2]}//{found[3]}"
    return text if WEB.fullmatch(text) else None


class FileListSettings(Settings):
    """``[backends.columns.finders.user]``."""

    files: Annotated[int, Field(ge=1)] = Field(
        default=500_000, description="Most files of one list."
    )


class FileList:
    """The name is the list, a file a line."""

    scheme = "user"
    title = "Lists of files"

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = FileListSettings.model_validate(settings)

    def find(self, name: str, context: Context) -> Iterator[Found]:
        """Yield the files in the order given.

        Raises
        ------
        BadName
            One can't be a file, or is there twice; there are none, or too many.
        """
        lines = name.split("\n") if name else []
        if not 0 < len(lines) <= self._settings.files:
            raise BadName(
                f"file-list: it has {len(lines)} files",
                hint=f"write from 1 to {self._settings.files}",
            )
        seen = set[str]()
        for number, line in enumerate(lines, 1):
            path = address(line.strip())
            if path is None:
                raise BadName(f"file-list: {line[:200]!r} (number {number}) is no file", hint=HINT)
            if path in seen:
                raise BadName(
                    f"file-list: {path[:200]!r} (number {number}) is there twice",
                    hint="its events would be counted twice: leave one out",
                )
            seen.add(path)
            yield Found((path,))
