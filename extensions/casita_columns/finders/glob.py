"""Files by pattern, of XRootD servers and of this machine: ``xrootd://root://host//store/*.root``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import translate
from itertools import product

from casita_columns.finders.base import BadName, Context, Found, NotThere
from casita_columns.finders.files import SCHEMES

MAGIC = re.compile(r"[*?\[]")
BRACES = re.compile(r"\{([^{}]*)\}")
DEPTH_MAX = 20
"""Of folders below ``**``: links may lead in circles."""
ALTERNATIVES_MAX = 1000
FILE = ".root"


class Glob:
    """The name is a pattern: ``*``, ``?``, ``[ab]``, ``{a,b}``, ``**`` for any folders between."""

    def find(self, name: str, context: Context) -> Iterator[Found]:
        """Yield files whose paths fit, sorted in each folder.

        Raises
        ------
        BadName
            The pattern can't be one.
        NotThere
            Nothing fits.
        CasitaError
            A folder can't be listed.
        """
        server, path = _split(name)
        seen = set[str]()
        for pattern in _alternatives(path):
            if pattern.endswith("/"):
                pattern += f"*{FILE}"
            for file in Walk(server, context).run(pattern):
                if file.paths[0] not in seen:
                    seen.add(file.paths[0])
                    yield file
        if not seen:
            raise NotThere(f"{name}: no file fits")


def _split(name: str) -> tuple[str, str]:
    """Return (server with scheme, or "", absolute path)."""
    if name.startswith("/"):
        return "", name
    if not name.startswith(SCHEMES):
        raise BadName(
            f"did: {name[:200]!r} is neither an address nor an absolute path",
            hint="write xrootd://root://host//path/*.root",
        )
    scheme, _, rest = name.partition("://")
    host, slash, path = rest.partition("/")
    if not host or not slash:
        raise BadName(f"did: {name[:200]!r} has no path")
    return f"{scheme}://{host}/", "/" + path.lstrip("/")


def _alternatives(path: str) -> list[str]:
    """Return the patterns without braces that a pattern stands for."""
    parts = BRACES.split(path)
    choices = [one.split(",") if number % 2 else [one] for number, one in enumerate(parts)]
    total = 1
    for one in choices:
        total *= len(one)
    if total > ALTERNATIVES_MAX:
        raise BadName(f"did: the braces stand for more than {ALTERNATIVES_MAX} patterns")
    return ["".join(one) for one in product(*choices)]


@dataclass
class Walk:
    """Looks for what fits one pattern."""

    server: str
    context: Context

    def run(self, pattern: str) -> Iterator[Found]:
        """Yield what fits."""
        parts = pattern.strip("/").split("/")
        fixed = next((at for at, one in enumerate(parts) if MAGIC.search(one)), len(parts))
        if fixed == len(parts):
            yield Found((self._url(pattern),))
            return
        yield from self._below("/" + "/".join(parts[:fixed]), parts[fixed:], 0)

    def _url(self, path: str) -> str:
        return f"{self.server}{path}" if self.server else path

    def _below(self, folder: str, parts: list[str], depth: int) -> Iterator[Found]:
        first, *rest = parts
        entries = sorted(self.context.list_directory(self._url(folder)), key=lambda one: one[0])
        if first == "**":
            if rest:
                yield from self._below(folder, rest, depth)
            for name, _, is_folder in entries:
                if is_folder and depth < DEPTH_MAX and not name.startswith("."):
                    yield from self._below(f"{folder.rstrip('/')}/{name}", parts, depth + 1)
            return
        fits = re.compile(translate(first)).match
        for name, size, is_folder in entries:
            if not fits(name) or (name.startswith(".") and not first.startswith(".")):
                continue
            path = f"{folder.rstrip('/')}/{name}"
            if rest and is_folder:
                yield from self._below(path, rest, depth)
            elif not rest and not is_folder:
                yield Found((self._url(path),), size or 0)
