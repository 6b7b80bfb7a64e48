"""Durations and sizes as people write them: ``"90s"``, ``"14d"``, ``"2 GiB"``."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
          "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}  # fmt: skip


def parse_duration(value: object) -> int:
    """Return seconds for ``"90s"``, ``"10m"``, ``"8h"``, ``"14d"`` or a whole number of seconds.

    Raises
    ------
    ValueError
        Anything else.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = re.fullmatch(r"\s*(\d+)\s*([smhd])\s*", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f'{value!r} is no duration: write "90s", "10m", "8h" or "14d"')
    return int(match[1]) * _SECONDS[match[2]]


def format_duration(seconds: float) -> str:
    """Return the shortest exact form, e.g. ``"14d"``; what :func:`parse_duration` reads."""
    whole = int(seconds)
    for unit, size in reversed(_SECONDS.items()):
        if whole and whole % size == 0:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def round_duration(seconds: float) -> str:
    """Return a rounded-down form for people: ``"59m"``, ``"6d"``, ``"12s"``."""
    whole = max(0, int(seconds))
    unit = next((size for size in (86400, 3600, 60) if whole >= 2 * size), 1)
    return format_duration(whole // unit * unit)


def parse_size(value: object) -> int:
    """Return bytes for ``"2 GiB"``, ``"500 MB"`` or a whole number of bytes.

    Raises
    ------
    ValueError
        Anything else.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = (
        re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kKMGT]?i?B)\s*", value)
        if isinstance(value, str)
        else None
    )
    if match is None or match[2] not in _BYTES:
        raise ValueError(f'{value!r} is no size: write "500 MiB", "2 GiB" or a number of bytes')
    return int(float(match[1]) * _BYTES[match[2]])


def format_size(size: float) -> str:
    """Return a binary size for people, rounded, e.g. ``"1.5 GiB"``."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size >= _BYTES[unit]:
            return f"{size / _BYTES[unit]:.4g} {unit}"
    return f"{int(size)} B"


def write_size(size: int) -> str | int:
    """Return an exact form that :func:`parse_size` reads back, ``"2 GiB"`` where it is whole."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size % _BYTES[unit] == 0:
            return f"{size // _BYTES[unit]} {unit}"
    return size


Duration = Annotated[
    int, BeforeValidator(parse_duration), Field(gt=0), PlainSerializer(format_duration)
]
"""Seconds, written ``"10m"``; more than zero."""

Size = Annotated[int, BeforeValidator(parse_size), Field(gt=0), PlainSerializer(write_size)]
"""Bytes, written ``"2 GiB"``; more than zero."""
