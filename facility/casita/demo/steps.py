"""Names and times the steps of a long job, for a person who watches and for the record."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape


@dataclass
class Steps:
    """The steps of a job with the seconds each took."""

    console: Console
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Time one step; says what goes on, then how long it took.

        A terminal shows a spinner; elsewhere one line is printed when it starts.
        """
        began = time.monotonic()
        if self.console.is_terminal:
            with self.console.status(title):
                yield
        else:
            self.console.print(f"... {title}")
            yield
        took = time.monotonic() - began
        self.seconds[title] = round(took, 2)
        self.console.print(f"{took:7.1f} s  {title}")

    def note(self, line: str) -> None:
        """Print one line that belongs to the running step."""
        self.console.print(f"           [dim]{escape(line)}[/]", soft_wrap=True)

    @property
    def total(self) -> float:
        """Seconds of all steps together."""
        return sum(self.seconds.values())
