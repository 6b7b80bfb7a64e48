"""Reading while writing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield items; the next one is made while whoever asked is busy with the one before.

    Compression and decompression leave Python's lock to others, so one file's reading hides
    behind its writing; no more than two items are held at a time.
    """
    end = object()
    with ThreadPoolExecutor(1) as beside:
        coming = beside.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = beside.submit(next, items, end)
            yield item  # type: ignore[misc]  # it is not `end`
