"""Lists of files."""

from __future__ import annotations

from collections.abc import Iterator

from casita_columns.finders.base import BadName, Context, Found

SCHEMES = ("root://", "roots://", "xroot://", "xroots://", "http://", "https://", "davs://")
PATH_MAX = 4096


class FileList:
    """The name is the list, a file a line."""

    def find(self, name: str, context: Context) -> Iterator[Found]:
        """Yield the files in the order given.

        Raises
        ------
        BadName
            One can't be a file, or is there twice.
        """
        seen = set[str]()
        for path in name.split("\n"):
            if not path.startswith(("/", *SCHEMES)) or len(path) > PATH_MAX:
                raise BadName(
                    f"file-list: {path[:200]!r} is neither an absolute path nor an address",
                    hint="write /path/file.root, root://host//path or https://host/path",
                )
            if not path.isprintable():
                raise BadName(f"file-list: {path[:200]!r} holds what can't be printed")
            if path in seen:
                raise BadName(f"file-list: {path[:200]!r} is there twice")
            seen.add(path)
            yield Found((path,))
