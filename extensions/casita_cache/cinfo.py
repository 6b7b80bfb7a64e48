"""XCache's ``.cinfo`` files: how much of a file is on the cache's disk, and who read it.  Pure.

Version 4, which XRootD 5.0 to 6.2 write (``XrdPfc/XrdPfcInfo.hh``, ``Info::Write``), little-endian
and without padding: version, store, its CRC32C, a bitmap of blocks, access records, the CRC32C of
both.  XRootD 4 wrote versions 2 and 3, with MD5; a server rewrites them as 4 when it opens the
file, so they are refused here.

The server writes in place: a reader may meet half of a change, which the checksums show.  Read
again after a moment before a file is called corrupt.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

VERSION = 4
_VERSION = struct.Struct("<i")
_STORE = struct.Struct("<qqqqQIi")
"""Block size, file size, created, first without checksum, accesses, status, number of records."""
_ACCESS = struct.Struct("<qqiiiiqqq")
"""Attached, detached, openings, seconds, merged, reserved, hit, missed, bypassed."""
_CRC = struct.Struct("<I")
_CHECKSUMS = ("none", "cache", "net", "both")
"""By the low bits of the status (``CkSumCheck_e`` in XrdPfcTypes.hh)."""


class CinfoError(ValueError):
    """It is no whole ``.cinfo`` file of a version that is known."""


@dataclass(frozen=True, slots=True)
class Cinfo:
    """What the cache knows of a file.

    Attributes
    ----------
    size
        Size of the file at its origin, bytes.
    block_size
        Size of a block, bytes; the last one of a file may be shorter.
    blocks, cached_blocks
        Number of blocks of the file, and of those on disk.
    cached_bytes
        Bytes on disk.
    created
        When the cache first met the file, Unix time, seconds.
    accesses
        How often the file was opened in the cache; those at the same time count once.
    last_access
        When it was last closed, or was last seen open, Unix time, seconds; None: never.
    bytes_hit, bytes_missed, bytes_bypassed
        Bytes that readers got from disk, from the origin, and from the origin without a copy on
        disk.  A miss fetches whole blocks: the next bytes of a block are hits, even of the same
        reader.
    checksums
        What all blocks had a checksum for: ``"none"``, ``"cache"`` (disk), ``"net"`` or ``"both"``.
    """

    size: int
    block_size: int
    blocks: int
    cached_blocks: int
    cached_bytes: int
    created: int
    accesses: int
    last_access: int | None
    bytes_hit: int
    bytes_missed: int
    bytes_bypassed: int
    checksums: str

    @property
    def complete(self) -> bool:
        """Whether all of the file is on disk."""
        return self.cached_blocks == self.blocks

    @property
    def fraction(self) -> float:
        """The part of the file's bytes that is on disk, 0 to 1; 1 for an empty file."""
        return self.cached_bytes / self.size if self.size else 1.0


def read(data: bytes) -> Cinfo:
    """Return what a ``.cinfo`` file says.

    Parameters
    ----------
    data
        The whole file.  What follows the last checksum is left from a longer record, and ignored.

    Raises
    ------
    CinfoError
        The file is truncated, of an unknown version, or corrupt.
    """
    (version,) = _take(_VERSION, data, 0)
    if version != VERSION:
        raise CinfoError(f"cinfo version {version} is not known; only {VERSION} is")
    start = _VERSION.size
    block, size, created, _, accesses, status, records = _take(_STORE, data, start)
    end = start + _STORE.size
    _check(data, start, end, "header")
    if block <= 0 or size < 0 or records < 0:
        raise CinfoError(f"cinfo has {size} bytes in blocks of {block} and {records} records")
    start = end + _CRC.size
    blocks = -(-size // block)
    # The server divides (size - 1) with C's rounding: an empty file has a bitmap for one block.
    middle = start + (max(blocks, 1) + 7) // 8
    end = middle + records * _ACCESS.size
    _check(data, start, end, "block map or access records")
    access = list(_ACCESS.iter_unpack(data[middle:end]))
    cached, cached_bytes = _cached(data[start:middle], size, block, blocks)
    return Cinfo(
        size=size,
        block_size=block,
        blocks=blocks,
        cached_blocks=cached,
        cached_bytes=cached_bytes,
        created=created,
        accesses=accesses,
        last_access=_last(access[-1]) if access else None,
        bytes_hit=sum(one[6] for one in access),
        bytes_missed=sum(one[7] for one in access),
        bytes_bypassed=sum(one[8] for one in access),
        checksums=_CHECKSUMS[status & 3],
    )


def crc32c(data: bytes) -> int:
    """Return the CRC32C (Castagnoli; RFC 3720, B.4) of bytes.

    zlib has another polynomial.  This takes about 0.1 s for 1 MB, the bitmap of a file of 1 TB.
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _row(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_TABLE = tuple(_row(byte) for byte in range(256))


def _take(form: struct.Struct, data: bytes, start: int) -> tuple[int, ...]:
    if len(data) < start + form.size:
        raise CinfoError(f"cinfo is truncated: {len(data)} bytes of at least {start + form.size}")
    return form.unpack_from(data, start)


def _check(data: bytes, start: int, end: int, part: str) -> None:
    (told,) = _take(_CRC, data, end)
    if told != crc32c(data[start:end]):
        raise CinfoError(f"cinfo is corrupt: the checksum of its {part} is wrong")


def _cached(bitmap: bytes, size: int, block: int, blocks: int) -> tuple[int, int]:
    """Return how many blocks and bytes are on disk."""
    # A file that was complete at once has the unused bits of the last byte set, too.
    bits = int.from_bytes(bitmap, "little") & ((1 << blocks) - 1)
    count = bits.bit_count()
    short = blocks * block - size if blocks and bits >> (blocks - 1) else 0
    return count, count * block - short


def _last(access: tuple[int, ...]) -> int:
    """Return when a file was closed; an open one has no such time, but the seconds so far."""
    attached, detached, _, seconds = access[:4]
    return detached or attached + seconds
