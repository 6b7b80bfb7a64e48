"""Files by pattern, of XRootD servers and of this machine: ``xrootd://root://host//store/*.root``.

A plain file and, with a slash at its end, a folder are patterns, too.  The files of web servers
have no folders: of those only a plain address is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from casita.backend import Settings
from casita.errors import CasitaError
from casita_columns.finders.base import BadName, Context, Entry, Found, LookupFailed, NotThere
from casita_columns.finders.files import HINT, WEB, address
from casita_columns.finders.patterns import States, Step, start, step

SERVER = re.compile(r"(x?roots?://[^/?#\s]+/)/*(.*?)(\?[\w.-]+=.*)?")
"""Server, path, and what XRootD calls opaque information, which goes with every request."""
NO_PATTERN = re.compile(r"[*\[\]{}]")
FOLDERS = 100_000
DEPTH = 64


class Glob:
    """The name is a pattern, as :mod:`casita_columns.finders.patterns` says."""

    scheme = "xrootd"
    title = "Files of XRootD servers and of this machine, by pattern"

    def __init__(self, settings: Mapping[str, Any]) -> None:
        Settings.model_validate(settings)

    def find(self, name: str, context: Context) -> Iterator[Found]:
        """Yield files, sorted by their paths' parts.

        Raises
        ------
        BadName
            It can't be a pattern, or is that of a folder.
        NotThere
            There are none.
        LookupFailed
            A folder can't be listed; such are left out of what is ``available``.
        """
        if WEB.fullmatch(name):
            yield _of_web(name)
            return
        server, path, opaque = _split(name)
        walk = Walk(server, opaque, context)
        found = False
        for one in walk.run("", start(path), 0):
            found = True
            yield one
        if walk.taken and not found:
            raise BadName(
                f"did: {walk.taken} is a folder",
                hint=f"{walk.taken}/ stands for all ROOT files in it",
            )
        if not found:
            raise NotThere(f"{name[:500]}: no file is called so", hint=walk.trouble)


def _of_web(name: str) -> Found:
    if NO_PATTERN.search(name) or name.endswith("/"):
        raise BadName(
            f"did: {name[:200]!r}: web servers are not searched",
            hint="name its files in a list, or ask its XRootD door: root://host//path/*.root",
        )
    return Found((name,))


def _split(name: str) -> tuple[str, str, str]:
    """Return (server with scheme, or "", path, opaque information)."""
    name = name.removeprefix("file://")
    if name.startswith("/"):
        return "", name, ""
    if not (found := SERVER.fullmatch(name)) or not found[2]:
        raise BadName(f"did: {name[:200]!r} is no pattern of files", hint=f"{HINT}, with * and ?")
    return found[1], found[2], found[3] or ""


@dataclass
class Walk:
    """One search."""

    server: str
    opaque: str
    context: Context
    trouble: str = ""
    """What kept the first folder from being listed."""
    taken: str = ""
    """A folder that has the name of a file that was looked for."""
    folders: int = 0

    def run(self, folder: str, states: States, depth: int) -> Iterator[Found]:
        """Yield what is found in a folder, and below.

        Parameters
        ----------
        folder
            Its path, without a slash at the end.
        """
        wanted = step(states)
        if wanted.plain and not wanted.files:
            for name in sorted(wanted.folders):
                yield from self.run(f"{folder}/{name}", wanted.folders[name], depth)
            return
        for name, size, is_folder in self._list(folder, wanted, depth):
            if is_folder:
                if below := wanted.into(name):
                    yield from self.run(f"{folder}/{name}", below, depth + 1)
                elif name in wanted.files:
                    self.taken = f"{folder}/{name}"
            elif wanted.accepts(name):
                yield Found((self._address(f"{folder}/{name}"),), size or 0)

    def _list(self, folder: str, wanted: Step, depth: int) -> list[Entry]:
        """Return what is in a folder, by name."""
        self.folders += 1
        if self.folders > FOLDERS or depth > DEPTH:
            raise LookupFailed(
                f"{folder[:200]}: a search ends after {FOLDERS} folders, or {DEPTH} one in another",
                hint="name the folder more exactly",
            )
        try:
            listed = self.context.list_directory(f"{self.server}{folder or '/'}{self.opaque}")
        except NotThere as error:
            self.trouble = self.trouble or error.message
            return []
        except CasitaError as error:
            return self._unlisted(error, wanted)
        return sorted((Entry(*one) for one in listed), key=lambda one: one.name)

    def _unlisted(self, error: CasitaError, wanted: Step) -> list[Entry]:
        """Return what to make of a folder that can't be listed.

        Files may be readable all the same; fewer files than there are must not go unnoticed.
        """
        if wanted.plain and not wanted.folders:
            return [Entry(one, None, False) for one in sorted(wanted.files)]
        if self.context.get == "available":
            self.trouble = self.trouble or error.message
            return []
        raise LookupFailed(
            error.message, hint=error.hint or "?get=available leaves out what can't be listed"
        ) from error

    def _address(self, path: str) -> str:
        """Return a found file's address.

        Raises
        ------
        LookupFailed
            Its name is none that can be written in a line of text.
        """
        found = address(f"{self.server}{path}{self.opaque}")
        if found is None:
            raise LookupFailed(f"{path!r} has a name that can't be written", hint="rename it")
        return found
