"""Ranges of HTTP (RFC 9110, section 14).  Pure."""

from __future__ import annotations

import re

ONE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class RangeError(ValueError):
    """No byte of what is asked for is there."""


def wanted(header: str, size: int) -> tuple[int, int] | None:
    """Return the first byte and the one after the last of a single range.

    None means the whole: no range, several at once, or what is none, as the RFC allows.

    Raises
    ------
    RangeError
        It lies beyond the end.
    """
    found = ONE.fullmatch(header.strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        length = min(int(last), size)
        if length == 0:
            raise RangeError(header)
        return size - length, size
    begin = int(first)
    if last and int(last) < begin:
        return None
    if begin >= size:
        raise RangeError(header)
    return begin, min(int(last) + 1, size) if last else size
