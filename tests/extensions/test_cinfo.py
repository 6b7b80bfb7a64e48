"""XCache's .cinfo files: captured from XRootD 5.5.3 and 6.2.0, and made up."""

import base64
import contextlib
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from casita_cache import cinfo

# A ROOT file of 25 blocks, one branch read: cold (one access), and warm (two).
COLD = (
    "BAAAAAAAAgAAAAAApt8wAAAAAAAWAAdrAAAAAAAAAAAAAAAAAQAAAAAAAAACAAAAAQAAAJhqS5R/AAABFgAHawAAAAAa"
    "AAdrAAAAAAEAAAAEAAAAAAAAAAAAAADU+gEAAAAAADdACgAAAAAAAAAAAAAAAADthbGv"
)
WARM = (
    "BAAAAAAAAgAAAAAApt8wAAAAAAAWAAdrAAAAAAAAAAAAAAAAAgAAAAAAAAACAAAAAgAAAFKDkeV/AAABFgAHawAAAAAa"
    "AAdrAAAAAAEAAAAEAAAAAAAAAAAAAADU+gEAAAAAADdACgAAAAAAAAAAAAAAAAAdAAdrAAAAAB4AB2sAAAAAAQAAAAEA"
    "AAAAAAAAAAAAAAs7DAAAAAAAAAAAAAAAAAAAAAAAAAAAAAy6BIA="
)
COLD_6 = (
    "BAAAAAAAAgAAAAAApt8wAAAAAACd/gZrAAAAAAAAAAAAAAAAAQAAAAAAAAACAAAAAQAAAAVzkzF/AAABnf4GawAAAACh"
    "/gZrAAAAAAEAAAAEAAAAAAAAAAAAAADU+gEAAAAAADdACgAAAAAAAAAAAAAAAACLgZ5H"
)
EMPTY = (
    "BAAAAAAAAgAAAAAAAAAAAAAAAAAaAAdrAAAAAAAAAAAAAAAAAgAAAAAAAAACAAAAAgAAALaWQ08AGgAHawAAAAAaAAdr"
    "AAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAeAAdrAAAAAB4AB2sAAAAAAQAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACEw/eU="
)
WHOLE = (
    "BAAAAAAAAgAAAAAA6AMEAAAAAAAaAAdrAAAAAAAAAAAAAAAAAwAAAAAAAAACAAAAAwAAAA4Gl6UHGgAHawAAAAAaAAdr"
    "AAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAOgDBAAAAAAAAAAAAAAAAAAeAAdrAAAAAB4AB2sAAAAAAQAAAAAAAAAA"
    "AAAAAAAAAOgDBAAAAAAAAAAAAAAAAAAAAAAAAAAAAB4AB2sAAAAAHgAHawAAAAABAAAAAAAAAAAAAAAAAAAA6AMAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAD2NSrg=="
)


def captured(text):
    return base64.b64decode(text)


def made(size, block, bitmap, records=(), version=4, status=2, count=None):
    """Write a .cinfo file as the server does."""
    said = len(records) if count is None else count
    store = struct.pack("<qqqqQIi", block, size, 1000, 0, 7, status, said)
    rest = bitmap + b"".join(struct.pack("<qqiiiiqqq", *one) for one in records)
    first, second = (struct.pack("<I", cinfo.crc32c(part)) for part in (store, rest))
    return struct.pack("<i", version) + store + first + rest + second


def test_crc32c_is_the_one_of_the_standard():
    assert cinfo.crc32c(b"123456789") == 0xE3069283  # the check value of CRC catalogues
    assert cinfo.crc32c(b"") == 0


@pytest.mark.parametrize("text", [COLD, COLD_6])
def test_a_cold_file_has_the_blocks_that_were_read(text):
    found = cinfo.read(captured(text))
    assert (found.size, found.block_size, found.blocks) == (3202982, 131072, 25)
    # Seven whole blocks and the short last one: what 6.2.0 told as written to disk.
    assert (found.cached_blocks, found.cached_bytes) == (8, 974758)
    assert found.fraction == pytest.approx(974758 / 3202982)
    assert not found.complete
    assert (found.bytes_hit, found.bytes_missed, found.bytes_bypassed) == (129748, 671799, 0)
    assert (found.accesses, found.checksums) == (1, "net")
    assert found.last_access == found.created + 4


def test_a_warm_file_sums_its_accesses():
    found = cinfo.read(captured(WARM))
    assert (found.accesses, found.cached_blocks) == (2, 8)
    assert found.bytes_hit == 129748 + 801547
    assert found.bytes_missed == 671799
    assert found.last_access == found.created + 8


def test_an_empty_file_is_complete():
    found = cinfo.read(captured(EMPTY))
    assert (found.size, found.blocks, found.cached_blocks, found.cached_bytes) == (0, 0, 0, 0)
    assert found.complete
    assert found.fraction == 1.0


def test_a_whole_file_counts_its_short_last_block():
    found = cinfo.read(captured(WHOLE))
    assert (found.blocks, found.cached_blocks) == (3, 3)
    assert found.cached_bytes == found.size == 2 * 131072 + 1000
    assert found.complete
    assert found.fraction == 1.0


def test_bits_past_the_last_block_do_not_count():
    found = cinfo.read(made(size=25, block=10, bitmap=b"\xff"))
    assert (found.blocks, found.cached_blocks, found.cached_bytes) == (3, 3, 25)


def test_an_open_file_was_last_seen_when_its_record_was_written():
    record = (5000, 0, 1, 60, 0, 0, 1, 2, 3)
    found = cinfo.read(made(10, 10, b"\x01", [record]))
    assert found.last_access == 5060
    assert (found.bytes_hit, found.bytes_missed, found.bytes_bypassed) == (1, 2, 3)
    assert cinfo.read(made(10, 10, b"\x00")).last_access is None


@pytest.mark.parametrize("size", [*range(0, 120, 7), 119])
def test_a_truncated_file_is_told(size):
    with pytest.raises(cinfo.CinfoError, match="truncated"):
        cinfo.read(captured(COLD)[:size])


@pytest.mark.parametrize("place", [4, 12, 51, 55, 60, 64, 100, 119])
def test_a_changed_byte_is_told(place):
    data = bytearray(captured(COLD))
    data[place] ^= 1
    with pytest.raises(cinfo.CinfoError, match="corrupt: the checksum of its|truncated"):
        cinfo.read(bytes(data))


def test_what_follows_the_last_checksum_is_ignored():
    assert cinfo.read(captured(COLD) + b"left") == cinfo.read(captured(COLD))


@pytest.mark.parametrize("version", [-1, 0, 2, 3, 5])
def test_other_versions_are_refused(version):
    with pytest.raises(cinfo.CinfoError, match=f"version {version} is not known"):
        cinfo.read(made(10, 10, b"\x01", version=version))


@pytest.mark.parametrize(
    "wrong", [{"block": 0}, {"block": -5}, {"size": -1}, {"count": -1}, {"count": 2**31 - 1}]
)
def test_numbers_that_cannot_be_are_told(wrong):
    with pytest.raises(cinfo.CinfoError):
        cinfo.read(made(**{"size": 10, "block": 10, "bitmap": b"\x01"} | wrong))


@given(some.binary(max_size=300))
@example(b"")
@example(b"\x04\0\0\0")
def test_no_bytes_raise_anything_else(data):
    with contextlib.suppress(cinfo.CinfoError):
        cinfo.read(data)


LONG = some.integers(-(2**63), 2**63 - 1)


@given(
    size=LONG,
    block=some.one_of(LONG, some.integers(1, 1 << 20)),
    bitmap=some.binary(max_size=40),
    records=some.lists(some.tuples(LONG, LONG, *[some.integers(-9, 9)] * 4, LONG, LONG, LONG)),
    count=some.one_of(some.none(), some.integers(-(2**31), 2**31 - 1)),
)
def test_no_numbers_raise_anything_else(size, block, bitmap, records, count):
    with contextlib.suppress(cinfo.CinfoError):
        cinfo.read(made(size, block, bitmap, records, count=count))


@given(size=some.integers(0, 5000), block=some.integers(1, 700), seed=some.integers(0, 2**5001))
def test_blocks_and_bytes_agree(size, block, seed):
    blocks = -(-size // block)
    bitmap = (seed & ((1 << max(8, (blocks + 7) // 8 * 8)) - 1)).to_bytes(
        (max(blocks, 1) + 7) // 8, "little"
    )
    found = cinfo.read(made(size, block, bitmap))
    has = [bitmap[n // 8] >> (n % 8) & 1 for n in range(blocks)]
    assert found.cached_blocks == sum(has)
    assert found.cached_bytes == sum(
        min(block, size - n * block) for n, there in enumerate(has) if there
    )
    assert 0 <= found.fraction <= 1
    assert found.complete == all(has)
