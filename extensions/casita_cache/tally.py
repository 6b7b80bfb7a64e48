"""Totals of what caches did, from the events of :mod:`casita_cache.streams`.  No I/O, no clock.

All memory is bounded.  A server that starts again goes on with its totals; what it had open is
forgotten, of which the bytes told so far stay counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from casita_cache.streams import (
    CacheClosed,
    Closed,
    Disconnected,
    Event,
    Login,
    Opened,
    Packet,
    Server,
    Token,
    Transferred,
    Unreadable,
)

OTHER = "other"
"""The name of all users who came after the first so many."""
UNKNOWN = "unknown"
"""The name of users whose login was lost, or was before the tally began."""
_SERVERS, _STREAMS, _SESSIONS, _OPEN = 100, 100, 10_000, 100_000
"""Most servers that are remembered; of each most streams, connections and open files."""
_LATE = 16
"""A packet that is at most so many behind the newest is late, not after a gap."""
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class ServerTotals:
    """What a server did since the tally began, over its restarts; all sizes in bytes.

    Attributes
    ----------
    server, started
        Its fingerprint, and its last start (Unix time, seconds).
    host, port, instance, version
        As it tells; "" until it has told.
    served, written
        From and to users, of open files as far as told.
    hit, missed, bypassed
        Of closed files: from disk, from the origin, from the origin without a copy on disk.
    fetched
        Written to disk, in whole blocks; before 6.0, which does not tell, the same as missed.
    open_files, closed_files
        Number of files; those open are users', those closed are the cache's own, for which users
        share one opening.
    lost
        Packets that did not come, or came too late to count.
    unreadable
        Lines of a g-stream that were no JSON.
    restarts
        Number of restarts met.
    """

    server: int
    started: int
    host: str = ""
    port: str = ""
    instance: str = ""
    version: str = ""
    served: int = 0
    written: int = 0
    hit: int = 0
    missed: int = 0
    bypassed: int = 0
    fetched: int = 0
    open_files: int = 0
    closed_files: int = 0
    lost: int = 0
    unreadable: int = 0
    restarts: int = 0

    @property
    def hit_ratio(self) -> float | None:
        """The part of the bytes that came from disk, 0 to 1; None before the first byte."""
        total = self.hit + self.missed + self.bypassed
        return self.hit / total if total else None

    @property
    def saved(self) -> int:
        """Bytes that needed no WAN; below 0 while whole blocks cost more than they gave.

        Before 6.0 these are the bytes hit, which is too much: the rest of a block that a miss
        fetched counts as a hit.
        """
        return self.hit + self.missed - self.fetched


@dataclass(frozen=True, slots=True)
class UserTotals:
    """Bytes that a user got and wrote, and files opened, over all servers.

    ``proved``: the name is from a login or token that the server checked.  Any other is what a
    client claims: two people may claim one, and one person many.
    """

    name: str
    proved: bool
    served: int = 0
    written: int = 0
    files: int = 0


@dataclass(frozen=True, slots=True)
class FileTotals:
    """A file that a cache closed lately: bytes hit and missed since the tally remembers it.

    ``accesses`` is over the file's life in the cache.
    """

    server: int
    path: str
    size: int
    blocks: int
    cached_blocks: int
    accesses: int
    hit: int = 0
    missed: int = 0
    closed: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All totals at one moment; files in the order in which they were closed, the last one last."""

    servers: tuple[ServerTotals, ...]
    users: tuple[UserTotals, ...]
    files: tuple[FileTotals, ...]


@dataclass(slots=True)
class _OpenFile:
    session: int
    served: int = 0
    written: int = 0


@dataclass(slots=True)
class _Run:
    """What is known of a server's run: all of it ends with a restart."""

    totals: ServerTotals
    before: int | None = None  # the start of the run before
    users: dict[int, tuple[str, bool]] = field(default_factory=dict)
    files: dict[int, _OpenFile] = field(default_factory=dict)
    sequences: dict[str, int] = field(default_factory=dict)


class Tally:
    """Totals by server, user and file.

    Parameters
    ----------
    users, files
        Most users and files remembered: of users the first (so many with a proved name, and as
        many without), of files the last closed.
    """

    def __init__(self, users: int = 1000, files: int = 1000) -> None:
        self._most_users, self._most_files = users, files
        self._runs: dict[int, _Run] = {}
        self._users: dict[tuple[str, bool], UserTotals] = {}
        self._files: dict[tuple[int, str], FileTotals] = {}

    def add(self, packet: Iterable[Event]) -> None:
        """Count all events of one packet, as :func:`casita_cache.streams.decode` returns them."""
        for event in packet:
            run = self._run(event)
            if run is None or (isinstance(event, Packet) and not _in_order(run, event)):
                return
            self._count(run, event)

    def snapshot(self) -> Snapshot:
        """Return the totals so far."""
        runs = self._runs.values()
        servers = tuple(replace(one.totals, open_files=len(one.files)) for one in runs)
        return Snapshot(servers, tuple(self._users.values()), tuple(self._files.values()))

    def _run(self, event: Event) -> _Run | None:
        """Return what is known of an event's server; None: the event is not to be counted."""
        source = event.source
        run = self._runs.get(source.server)
        if run is None:
            if len(self._runs) >= _SERVERS:
                return None
            run = self._runs[source.server] = _Run(ServerTotals(source.server, source.started))
        elif source.started == run.before:
            return None  # a packet that its server's restart has overtaken
        elif source.started != run.totals.started:
            totals = replace(run.totals, started=source.started, restarts=run.totals.restarts + 1)
            run = self._runs[source.server] = _Run(totals, before=run.totals.started)
        return run

    def _count(self, run: _Run, event: Event) -> None:
        match event:
            case Server():
                names = ("host", "port", "instance", "version")
                run.totals = replace(run.totals, **{one: getattr(event, one) for one in names})
            case Login():
                named = (event.name or event.user, _is_proof(event))
                _put(run.users, event.session, named, _SESSIONS)
            case Token():
                _put(run.users, event.session, (event.name or event.subject, True), _SESSIONS)
            case Opened():
                _put(run.files, event.file, _OpenFile(event.session), _OPEN)
                self._user(run, event.session, UserTotals("", False, files=1))
            case Transferred():  # Closed is one, too
                self._moved(run, event)
            case Disconnected():
                run.users.pop(event.session, None)
                left = [key for key, one in run.files.items() if one.session == event.session]
                for key in left:  # their closing was lost
                    del run.files[key]
            case CacheClosed():
                self._closed(run, event)
            case Unreadable():
                run.totals = _plus(run.totals, unreadable=1)

    def _moved(self, run: _Run, event: Transferred) -> None:
        """Count what an open file moved since it was last told."""
        file = run.files.get(event.file) or _OpenFile(session=0)
        read = event.read + event.vector_read
        # Of one that was opened before the tally began, all counts.
        served, written = max(0, read - file.served), max(0, event.written - file.written)
        file.served, file.written = file.served + served, file.written + written
        if isinstance(event, Closed):
            run.files.pop(event.file, None)
        else:
            _put(run.files, event.file, file, _OPEN)
        run.totals = _plus(run.totals, served=served, written=written)
        self._user(run, file.session, UserTotals("", False, served, written))

    def _user(self, run: _Run, session: int, more: UserTotals) -> None:
        key = run.users.get(session, (UNKNOWN, False))
        if key not in self._users:
            # Names that anybody may claim must not take the room of those that are proved.
            alike = sum(proved == key[1] for _, proved in self._users)
            key = key if alike < self._most_users else (OTHER, key[1])
        total = self._users.get(key) or UserTotals(*key)
        self._users[key] = _plus(total, served=more.served, written=more.written, files=more.files)

    def _closed(self, run: _Run, event: CacheClosed) -> None:
        run.totals = _plus(
            run.totals,
            hit=event.hit,
            missed=event.missed,
            bypassed=event.bypassed,
            fetched=event.missed if event.fetched is None else event.fetched,
            closed_files=1,
        )
        key = event.source.server, event.path
        before = self._files.pop(key, None)
        file = FileTotals(
            server=event.source.server,
            path=event.path,
            size=event.size,
            blocks=event.blocks,
            cached_blocks=event.cached_blocks,
            accesses=event.accesses,
            hit=event.hit + (before.hit if before else 0),
            missed=event.missed + (before.missed if before else 0),
            closed=event.closed,
        )
        _put(self._files, key, file, self._most_files)


_Totals = TypeVar("_Totals", ServerTotals, UserTotals)


def _plus(totals: _Totals, **more: int) -> _Totals:
    return replace(totals, **{name: getattr(totals, name) + more[name] for name in more})


def _is_proof(login: Login) -> bool:
    return bool(login.name) and login.method not in ("", "host", "unix")  # these trust the client


def _put(some: dict[_Key, _Value], key: _Key, value: _Value, most: int) -> None:
    """Put into a dictionary, of which the oldest goes if it is full."""
    if key not in some and len(some) >= most:
        del some[next(iter(some))]
    some[key] = value


def _in_order(run: _Run, packet: Packet) -> bool:
    """Count what is lost before a packet; False: it comes twice, or too late to count."""
    last = run.sequences.get(packet.stream)
    if last is not None:
        step = (packet.sequence - last) % packet.modulus
        if step == 0 or step > packet.modulus - _LATE:
            return False  # late: it was counted as lost, and a file's older numbers would confuse
        run.totals = _plus(run.totals, lost=step - 1)
    _put(run.sequences, packet.stream, packet.sequence, _STREAMS)
    return True
