"""XRootD's monitoring packets as typed events.  Pure.

Sources: "XRootD Monitoring Reference" (xrootd.org), ``XrdXrootd/XrdXrootdMonData.hh`` (binary,
network byte order), ``XrdXrootdGSReal.cc`` (JSON headers) and ``XrdPfc.cc`` (``file_close``).
Met from 5.5.3 and 6.2.0.  JSON needs ``send json`` with any header but ``nohdr``; a binary packet
never starts with ``{``, so that one UDP port can take both.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_HEADER = struct.Struct(">BBHI")
"""Code, sequence, length of the packet, start of the server."""
_RECORD = struct.Struct(">BBHI")
"""Type, flags, length of the record, file or user."""
_TIME = struct.Struct(">IIQ")
"""First record, last record, server (48 bits, under the provider's letter)."""
_DICT = struct.Struct(">I")
_SIZE = struct.Struct(">q")
_BYTES = struct.Struct(">qqq")
_COUNTS = struct.Struct(">iiihhq")
_SERVER = (1 << 48) - 1
_CLOSE, _OPEN, _TIMES, _TRANSFER, _DISCONNECT = range(5)
_MAPS = frozenset("=uTUdipx")
_ABOUT = ("inst", "site", "ver")
_USER = re.compile(r"(?P<protocol>[^/]*)/(?P<user>.*)\.[^.]*:(?P<server>\d{1,15})@(?P<host>.*)")
_CACHE_CLOSE = re.compile(r'\{"event":"file_close","lfn":"(?P<path>.*)",(?P<rest>"size":\d.*\})')


class PacketError(ValueError):
    """It is no monitoring packet, or not a whole one."""


@dataclass(frozen=True, slots=True)
class Source:
    """One run of a server: fingerprint (of site, host, port, name), start (Unix time, s)."""

    server: int
    started: int


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a server told."""

    source: Source


@dataclass(frozen=True, slots=True)
class Packet(Event):
    """The head of each packet: its number in a stream, below ``modulus``."""

    stream: str
    sequence: int
    modulus: int


@dataclass(frozen=True, slots=True)
class Server(Event):
    """What a server is; told at its start and each ``ident`` seconds."""

    host: str
    port: str
    instance: str
    site: str
    version: str


@dataclass(frozen=True, slots=True)
class Login(Event):
    """A connection: ``user`` is what the client claims, ``name`` what ``method`` made of it.

    Without ``auth`` in the server's ``xrootd.monitor``, or without a login, the last three are "".
    """

    session: int
    protocol: str
    user: str
    host: str
    name: str
    method: str
    organization: str


@dataclass(frozen=True, slots=True)
class Token(Event):
    """A token that opened a file (6.x): its ``subject``, and the local ``name`` made of it."""

    session: int
    subject: str
    name: str
    organization: str
    groups: str


@dataclass(frozen=True, slots=True)
class Activity(Event):
    """Experiment and activity of a connection (SciTags numbers)."""

    session: int
    experiment: int
    activity: int


@dataclass(frozen=True, slots=True)
class Text(Event):
    """``"d"``: a path, or ``"i"``: what the client says of itself, by its key."""

    code: str
    key: int
    user: str
    text: str


@dataclass(frozen=True, slots=True)
class Opened(Event):
    """A file was opened; ``size`` in bytes; session 0: not told."""

    file: int
    session: int
    path: str
    size: int
    writable: bool


@dataclass(frozen=True, slots=True)
class Transferred(Event):
    """Bytes since an open file was opened."""

    file: int
    read: int
    vector_read: int
    written: int


@dataclass(frozen=True, slots=True)
class Operations:
    """Number of requests while a file was open, and of segments of the vector reads."""

    reads: int
    vector_reads: int
    writes: int
    segments: int


@dataclass(frozen=True, slots=True)
class Closed(Transferred):
    """A file was closed; ``forced``: by the end of the connection."""

    forced: bool
    operations: Operations | None


@dataclass(frozen=True, slots=True)
class Disconnected(Event):
    """A connection ended."""

    session: int


@dataclass(frozen=True, slots=True)
class Window(Event):
    """The time in which a packet's records were made, Unix time, seconds."""

    began: int
    ended: int


@dataclass(frozen=True, slots=True)
class CacheClosed(Event):
    """The cache closed a file: sizes in bytes, times in Unix seconds, since it was opened.

    ``missed`` bytes were read from the origin for a reader.  ``fetched`` is what was written to
    disk, in whole blocks; None before 6.0, which does not tell.
    """

    path: str
    size: int
    block_size: int
    blocks: int
    cached_blocks: int
    accesses: int
    opened: int
    closed: int
    hit: int
    missed: int
    bypassed: int
    fetched: int | None
    checksum_errors: int


@dataclass(frozen=True, slots=True)
class Record(Event):
    """A line of any other g-stream, by its provider's letter (``XROOTD_MON_GS*``)."""

    provider: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unreadable(Event):
    """A line of a g-stream that is no JSON object; the others of its packet are good."""

    text: str


def decode(packet: bytes) -> list[Event]:
    """Return what a UDP packet tells: a :class:`Packet`, then the events in the server's order.

    Raises
    ------
    PacketError
        It is malformed, of an unknown kind, or of a server older than XRootD 5.
    """
    try:
        return _json(packet) if packet[:1] == b"{" else _binary(packet)
    except struct.error:
        raise PacketError("the packet is truncated") from None


def _binary(packet: bytes) -> list[Event]:
    number, sequence, size, started = _HEADER.unpack_from(packet)
    if not _HEADER.size <= size <= len(packet):
        raise PacketError(f"the packet says that it has {size} bytes; it has {len(packet)}")
    code, body = chr(number), packet[_HEADER.size : size]
    if code in _MAPS:
        key, text = _DICT.unpack_from(body)[0], _text(body[_DICT.size :])
        user = _USER.fullmatch(text.partition("\n")[0])
        if user is None:
            raise PacketError(f"a record {code!r} names no server")
        source = Source(int(user["server"]), started)
        found = _map_record(code, source, key, user, text.partition("\n")[2])
        return [Packet(source, "map", sequence, 256), *found]
    if code == "f":
        times = _TIME.unpack_from(body, _RECORD.size)
        source = Source(times[2] & _SERVER, started)
        return [Packet(source, "f", sequence, 256), *_file_records(source, body)]
    if code in ("g", "t", "r"):  # traces and redirections are numbered with the maps
        server = _TIME.unpack_from(body)[2] if code == "g" else _SIZE.unpack_from(body)[0]
        source, provider = Source(server & _SERVER, started), chr(server >> 56 & 0xFF)
        if code != "g":
            return [Packet(source, "map", sequence, 256)]
        lines = _lines(source, provider, _text(body[_TIME.size :]))
        return [Packet(source, f"g{provider}", sequence, 256), *lines]
    raise PacketError(f"there is no packet {code!r}")


def _text(data: bytes) -> str:
    # After the first NUL may come whatever was in the server's buffer.
    return data.partition(b"\0")[0].decode(errors="replace")


def _fields(text: str) -> dict[str, str]:
    """Return ``&n=me&g=cms``; of two of a name the first, since what a client says comes last."""
    pairs = [one.partition("=") for one in text.split("&") if one]
    return {name: value for name, _, value in reversed(pairs)}


def _number(text: str | None) -> int:
    if text is None or not re.fullmatch(r"-?[0-9]{1,10}", text):
        raise PacketError(f"a record has {text!r} where a number belongs")
    return int(text)


def _map_record(
    code: str, source: Source, key: int, user: re.Match[str], text: str
) -> Iterator[Event]:
    if code in "di":
        yield Text(source, code, key, user["user"], text)
        return
    said = _fields(text)
    if code == "=":
        yield Server(source, user["host"], *(said.get(it, "") for it in ("port", *_ABOUT)))
    elif code == "u":
        # What the client says of itself may stand alone; what the server checked comes first.
        proved = [said.get(name, "") if text.startswith("&p=") else "" for name in ("n", "p", "o")]
        yield Login(source, key, user["protocol"], user["user"], user["host"], *proved)
    elif code == "T":
        about = (said.get(name, "") for name in ("s", "n", "o", "g"))
        yield Token(source, _number(said.get("Uc")), *about)
    elif code == "U":
        yield Activity(source, *(_number(said.get(name)) for name in ("Uc", "Ec", "Ac")))


def _file_records(source: Source, body: bytes) -> Iterator[Event]:
    """Yield the events of an f-stream's packet, which starts with a time record."""
    if body[:1] != bytes([_TIMES]) or not body[1] & 1:
        raise PacketError("an f-stream's packet does not start with time and server")
    start = 0
    while start < len(body):
        kind, flags, size, key = _RECORD.unpack_from(body, start)
        if size < _RECORD.size or start + size > len(body):
            raise PacketError(f"a record of the f-stream has {size} bytes")
        yield from _file_record(source, kind, flags, key, body[start + _RECORD.size : start + size])
        start += size


def _file_record(source: Source, kind: int, flags: int, key: int, body: bytes) -> Iterator[Event]:
    if kind == _OPEN:
        session = _DICT.unpack_from(body, 8)[0] if flags & 1 else 0
        size = max(0, _SIZE.unpack_from(body)[0])
        path = _text(body[12:]) if flags & 1 else ""
        yield Opened(source, key, session, path, size, bool(flags & 2))
    elif kind in (_CLOSE, _TRANSFER):
        moved = _BYTES.unpack_from(body)
        if min(moved) < 0:
            raise PacketError(f"a record of the f-stream has moved {min(moved)} bytes")
        if kind == _TRANSFER:
            yield Transferred(source, key, *moved)
            return
        done = None
        if flags & 2:
            reads, vector_reads, writes, _, _, segments = _COUNTS.unpack_from(body, _BYTES.size)
            done = Operations(reads, vector_reads, writes, segments)
        read, vector_read, written = moved
        yield Closed(source, key, read, vector_read, written, bool(flags & 1), done)
    elif kind == _DISCONNECT:
        yield Disconnected(source, key)
    elif kind == _TIMES:
        yield Window(source, *_TIME.unpack_from(body)[:2])
    # A server that is newer may have more kinds; their length is known.


def _json(packet: bytes) -> list[Event]:
    head, _, lines = _text(packet).partition("\n")
    try:
        said = _object(head)
        source = Source(_whole(said, "sid"), _whole(said, "stod"))
        sequence, code = _whole(said, "pseq"), str(said["code"])
        provider = str(said["gs"]["type"]) if code == "g" else ""
    except (KeyError, TypeError, ValueError):
        raise PacketError("a JSON packet has no head that says whose it is") from None
    first = Packet(source, f"json{code}{provider}", sequence % 1000, 1000)
    if code == "=":
        about = said.get("src")
        about = about if isinstance(about, dict) else {}
        says = [str(about.get(name, "")) for name in ("host", "port", *_ABOUT)]
        return [first, Server(source, *says)]
    return [first, *_lines(source, provider, lines)]


def _lines(source: Source, provider: str, text: str) -> Iterator[Event]:
    for line in text.split("\n"):
        if line.strip():
            try:
                yield _line(source, provider, line)
            except ValueError:
                yield Unreadable(source, line)


def _line(source: Source, provider: str, line: str) -> Event:
    # The server puts the path between quotes as it is, so that the line may be no JSON.
    match = _CACHE_CLOSE.fullmatch(line) if provider == "C" else None
    if match is None:
        return Record(source, provider, _object(line))
    said = _object("{" + match["rest"])
    return CacheClosed(
        source,
        path=match["path"],
        size=_whole(said, "size"),
        block_size=_whole(said, "blk_size"),
        blocks=_whole(said, "n_blks"),
        cached_blocks=_whole(said, "n_blks_done"),
        accesses=_whole(said, "access_cnt"),
        opened=_whole(said, "attach_t"),
        closed=_whole(said, "detach_t"),
        hit=_whole(said, "b_hit"),
        missed=_whole(said, "b_miss"),
        bypassed=_whole(said, "b_bypass"),
        fetched=_whole(said, "b_todisk") if "b_todisk" in said else None,
        checksum_errors=_whole(said, "n_cks_errs"),
    )


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


def _whole(said: Mapping[str, Any], name: str) -> int:
    value = said.get(name)
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError(name)
    return value
