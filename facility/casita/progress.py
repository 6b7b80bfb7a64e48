"""Progress of long work: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

EVERY = 5.0
"""Seconds between plain lines."""


class Advance(Protocol):
    """Takes what has just been done, and the total once it is known."""

    def __call__(self, new: int, total: int | None = None) -> None:
        """Advance by ``new``."""


@contextmanager
def progress(
    title: str, total: int | None = None, *, unit: str = "events", console: Console | None = None
) -> Iterator[Advance]:
    """Show how far a job is, on stderr.

    Parameters
    ----------
    unit
        ``"bytes"`` are shown as sizes.
    """
    console = console or Console(stderr=True)
    with (_bar if console.is_terminal else _lines)(title, total, unit, console) as advance:
        yield advance


@contextmanager
def _bar(title: str, total: int | None, unit: str, console: Console) -> Iterator[Advance]:
    count = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), count, TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=total)

        def advance(new: int, total: int | None = None) -> None:
            if total is not None:
                bar.update(task, total=total)
            bar.advance(task, new)

        yield advance


@contextmanager
def _lines(title: str, total: int | None, unit: str, console: Console) -> Iterator[Advance]:
    done, known, spoken = 0, total, time.monotonic()

    def advance(new: int, total: int | None = None) -> None:
        nonlocal done, known, spoken
        done, known = done + new, total or known
        if time.monotonic() - spoken > EVERY:
            spoken = time.monotonic()
            of = f" of {known:,}" if known else ""
            console.print(f"{title}: {done:,}{of} {unit}", highlight=False)

    yield advance
