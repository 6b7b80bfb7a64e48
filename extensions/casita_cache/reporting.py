"""Where the bytes came from: what a notebook's reads, and those of its cluster, got from the cache.

The program counts what it read; the cache's service knows what of that it had on disk. It learns
so when a file is closed, so the report closes what fsspec keeps open in vain, and waits a moment.
"""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from casita.client import connection
from casita.errors import CasitaError
from casita.units import format_size
from casita_cache.client import Cache
from casita_cache.models import Access
from casita_cache.traffic import LEDGER, FileTraffic, Traffic

WAIT_SECONDS = 3.0
"""How long the service may take to hear of closed files."""
SHOWN = 12
"""Files in the table."""
COLD = 0.1
"""A file with fewer hits tells how fast its origin is."""
Key = tuple[str, str]
"""Origin and path."""


@dataclass(frozen=True)
class Line:
    """One file.  Bytes."""

    origin: str
    path: str
    opens: int
    read: int
    """Through the cache."""
    hit: int | None
    """Of these from its disk; None: not known (yet)."""
    direct: int
    """Past the cache, which was down."""
    waited: float = 0.0
    """Seconds, summed over reads: parallel ones count each."""

    @property
    def cold(self) -> bool:
        """Whether nearly all of it came from the origin."""
        return self.hit is not None and self.read > 0 and self.hit < COLD * self.read


@dataclass(frozen=True)
class Report:
    """What was read since the report before."""

    lines: tuple[Line, ...]
    seconds: float
    """Since then."""
    workers: int
    """Whose reads are in it, besides this program's."""
    saved_seconds: float | None = None
    """How much longer the hits would have waited for their origin, by what its misses took in this
    program; summed over parallel reads, so more than a clock shows. None: not known."""

    @property
    def read(self) -> int:
        """Bytes read through caches."""
        return sum(one.read for one in self.lines)

    @property
    def hit(self) -> int:
        """Bytes of these that came from the caches' disks, as far as known."""
        return sum(one.hit or 0 for one in self.lines)

    @property
    def direct(self) -> int:
        """Bytes read past caches that were down."""
        return sum(one.direct for one in self.lines)

    @property
    def from_origin(self) -> int:
        """Bytes that came from the origins."""
        known = sum(one.read for one in self.lines if one.hit is not None)
        return known - self.hit + self.direct

    @property
    def hit_ratio(self) -> float | None:
        """The part of the bytes that came from disk; None if nothing is known."""
        known = sum(one.read for one in self.lines if one.hit is not None)
        return self.hit / known if known else None

    @property
    def sentence(self) -> str:
        """The report in a line."""
        if not self.lines:
            return "nothing was read through the cache"
        ratio = "not known yet" if self.hit_ratio is None else f"{100 * self.hit_ratio:.0f} %"
        words = [
            f"{format_size(self.read)} through the cache in {len(self.lines)} files",
            f"hits {ratio}",
            f"{format_size(self.from_origin)} from the origins",
        ]
        if self.direct:
            words.append(f"{format_size(self.direct)} of these past the cache, which was down")
        if self.saved_seconds is not None:
            words.append(f"about {self.saved_seconds:.1f} s saved")
        return "; ".join(words)

    def __str__(self) -> str:
        rows = [self.sentence, *(f"  {' '.join(row)}" for row in self._rows())]
        return "\n".join(rows)

    def _rows(self) -> list[tuple[str, str, str, str]]:
        ordered = sorted(self.lines, key=lambda one: -one.read - one.direct)
        rows = []
        for one in ordered[:SHOWN]:
            hits = "?" if one.hit is None else f"{100 * one.hit / max(1, one.read):.0f} %"
            rows.append((format_size(one.read + one.direct), hits, one.origin, one.path))
        return rows

    def _repr_html_(self) -> str:
        """Return a card (called by Jupyter)."""
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self._rows()
        )
        more = len(self.lines) - SHOWN
        rest = f"<p>and {more} more files</p>" if more > 0 else ""
        table = (
            "<table><thead><tr><th>read</th><th>hits</th><th>origin</th><th>file</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )
        bar = ""
        if self.hit_ratio is not None:
            bar = (
                f'<progress max="100" value="{100 * self.hit_ratio:.0f}" style="width: 12em" '
                'aria-label="hit ratio"></progress> '
            )
        return f"<div>{bar}<b>{html.escape(self.sentence)}</b>{table if rows else ''}{rest}</div>"


def merged(parts: Iterable[Traffic]) -> dict[Key, FileTraffic]:
    """Return the traffic of several programs, by file."""
    total: dict[Key, FileTraffic] = {}
    for part in parts:
        for one in part.files:
            sum_ = total.setdefault((one.origin, one.path), FileTraffic(one.origin, one.path))
            sum_.opens += one.opens
            sum_.cached += one.cached
            sum_.direct += one.direct
            sum_.waited += one.waited
    return total


def compose(
    read: Mapping[Key, FileTraffic],
    before: Mapping[Key, Access],
    after: Mapping[Key, Access],
    seconds: float,
    workers: int,
) -> Report:
    """Return the report.  Pure.

    Of a file that others read at the same time the cache tells the hits of all; what it tells is
    then shared out in proportion.

    Parameters
    ----------
    before, after
        What the service knew of each file at the beginning and at the end.
    """
    lines = []
    for key, one in read.items():
        old, new = before.get(key), after.get(key)
        hit: int | None = None
        if new is not None and (total := _grown(old, new, "hit") + _grown(old, new, "missed")):
            hit = min(one.cached, round(one.cached * _grown(old, new, "hit") / total))
        lines.append(Line(*key, one.opens, one.cached, hit, one.direct, one.waited))
    return Report(tuple(lines), seconds, workers)


def saved_seconds(lines: Iterable[Line], pace: Mapping[str, float]) -> float | None:
    """Return how much longer hits would have waited for their origin; None if that is unknown.

    Parameters
    ----------
    pace
        Of each origin, as read through an empty cache: seconds a byte.
    """
    hits = [one for one in lines if one.hit and not one.cold and one.origin in pace]
    if not hits:
        return None
    # What was missed has waited as long as ever.
    return max(0.0, sum(pace[one.origin] * (one.hit or 0) - _of_hits(one, pace) for one in hits))


def _of_hits(one: Line, pace: Mapping[str, float]) -> float:
    return max(0.0, one.waited - pace[one.origin] * (one.read - (one.hit or 0)))


def _grown(old: Access | None, new: Access, name: str) -> int:
    value: int = getattr(new, name)
    # Smaller than before: the service has begun to count anew.
    begun = getattr(old, name) if old is not None and old.closed <= new.closed else 0
    return value - begun if value >= begun else value


class Reporter:
    """Remembers where the report before ended."""

    def __init__(self) -> None:
        self._began = time.time()
        self._before: dict[Key, Access] | None = None
        self._pace: dict[str, float] = {}

    def report(self) -> Report:
        """Return what was read since the last time, and begin anew."""
        client = _cluster()
        workers: Mapping[str, Traffic] = client.run(take) if client else {}
        read = merged([take(), *workers.values()])
        after = self._accesses(read)
        found = compose(read, self._before or {}, after, time.time() - self._began, len(workers))
        self._began, self._before = time.time(), after
        for one in found.lines:
            if one.cold:
                self._pace[one.origin] = one.waited / one.read
        return replace(found, saved_seconds=saved_seconds(found.lines, self._pace))

    def _accesses(self, read: Mapping[Key, FileTraffic]) -> dict[Key, Access]:
        """Ask the service until it has heard of all files that were read, or for a while."""
        wanted = {key for key, one in read.items() if one.cached}
        before = self._before or {}
        deadline = time.monotonic() + WAIT_SECONDS
        try:
            with connection().http() as http:
                cache = Cache(http)
                while True:
                    found = {(one.origin, one.path): one for one in cache.accesses()}
                    heard = {key for key in wanted if _heard(before.get(key), found.get(key))}
                    if heard == wanted or time.monotonic() > deadline:
                        return found
                    time.sleep(0.3)
        except CasitaError:
            return {}  # outside a facility, or its service is down: hits are not known


def _heard(old: Access | None, new: Access | None) -> bool:
    return new is not None and new.closed > (old.closed if old else 0)


def take() -> Traffic:
    """Return what this program has read since the last time, and close what is idle."""
    _close_idle()
    traffic = LEDGER.traffic()
    LEDGER.reset()
    return traffic


def _close_idle() -> None:
    """Close the handles that fsspec keeps for half a minute after their last use."""
    module = sys.modules.get("fsspec_xrootd.xrootd")
    if module is None:
        return
    for system in list(module.XRootDFileSystem._cache.values()):
        system._readonly_filehandle_cache.close_all()


def _cluster() -> Any:
    """Return the notebook's Dask client, or None."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None
