"""Patterns of paths: ``*``, ``?``, ``[ab]``, ``[!ab]``, ``{a,b}``, and ``**`` for any folders.

A pattern is followed like an automaton: a state is what is left of it, and in a folder one is in
all states that its path may have led to.  So a folder is listed once, and no file found twice,
however many alternatives there are.

The rules are those of Python's ``glob``: names that begin with a dot are only matched by a pattern
that does, too, and ``**`` does not enter such folders.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache

from casita_columns.finders.base import BadName

State = tuple[str, ...]
States = frozenset[State]
DEEP = "**"
END: State = ()
BELOW: State = (DEEP, "*.root")
"""What a folder, written with a slash at the end, stands for."""
MAGIC = re.compile(r"[*?\[]")
BRACES = re.compile(r"\{([^{},]*(?:,[^{},]*)+)\}")
ALTERNATIVES = 10_000
NOTHING = re.compile(r"(?!)")


def alternatives(pattern: str) -> list[str]:
    """Return the patterns without braces that a pattern stands for, as a shell would.

    Raises
    ------
    BadName
        There are too many.
    """
    todo, done = [pattern], dict[str, None]()
    while todo:
        one = todo.pop()
        if found := BRACES.search(one):
            before, after = one[: found.start()], one[found.end() :]
            todo += [f"{before}{choice}{after}" for choice in reversed(found[1].split(","))]
        else:
            done[one] = None
        if len(todo) + len(done) > ALTERNATIVES:
            raise BadName(
                f"did: its braces stand for more than {ALTERNATIVES} patterns",
                hint="use *, or a list of files",
            )
    return list(done)


def start(pattern: str) -> States:
    """Return the states at the top for a pattern of absolute paths."""
    return frozenset(_state(one) for one in alternatives(pattern))


def _state(pattern: str) -> State:
    parts: list[str] = []
    for one in pattern.split("/"):
        if one not in ("", ".") and not (one == DEEP and parts[-1:] == [DEEP]):
            parts.append(one)
    if not pattern.endswith(("/", "/.")):
        return tuple(parts)
    return tuple(parts[:-1] if parts[-1:] == [DEEP] else parts) + BELOW


@dataclass(frozen=True)
class Step:
    """What to look for in a folder."""

    files: frozenset[str]
    """Files by name."""
    fits: re.Pattern[str]
    """Files by pattern."""
    folders: dict[str, States]
    """Folders by name, with the states that they lead to."""
    ways: tuple[tuple[re.Pattern[str], States], ...]
    """Folders by pattern."""

    @property
    def plain(self) -> bool:
        """Whether there are no patterns: what to look for is known by name."""
        return not self.ways and self.fits is NOTHING

    def accepts(self, name: str) -> bool:
        """Tell whether a file is one that was looked for."""
        return self.fits.match(name) is not None or name in self.files

    def into(self, name: str) -> States:
        """Return the states in a folder of this one; none: there is nothing to look for."""
        led: set[State] = set()
        for fits, states in self.ways:
            if fits.match(name):
                led |= states
        return frozenset(led | self.folders.get(name, frozenset()))


@lru_cache(maxsize=256)
def step(states: States) -> Step:
    """Return what states mean in a folder."""
    names = defaultdict[str, set[State]](set)
    ways = defaultdict[State, set[str]](set)
    last = set[str]()
    for first, *rest in _open(states):
        left = tuple(rest)
        if first == DEEP:
            ways[DEEP, *left].add("*")
            last |= set() if left else {"*"}
        elif not MAGIC.search(first):
            names[first].add(left)
        elif left:
            ways[left].add(first)
        else:
            last.add(first)
    return Step(
        files=frozenset(name for name, lefts in names.items() if END in lefts),
        fits=_any(last),
        folders={name: frozenset(led) for name, lefts in names.items() if (led := lefts - {END})},
        ways=tuple((_any(some), frozenset({left})) for left, some in ways.items()),
    )


def _open(states: Iterable[State]) -> Iterator[State]:
    """Yield states, with those in which a ``**`` stands for no folder at all."""
    for one in states:
        if one:
            yield one
        if one[:1] == (DEEP,) and one[1:]:
            yield one[1:]


def _any(patterns: Iterable[str]) -> re.Pattern[str]:
    """Return what matches names that one of some patterns matches."""
    some = [
        translate(one) if one.startswith(".") else rf"(?!\.){translate(one)}"
        for one in sorted(patterns)
    ]
    return re.compile("|".join(some)) if some else NOTHING
