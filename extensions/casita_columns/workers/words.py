"""What a child writes to its standard error: the beginning and the end, however much it writes."""

from __future__ import annotations

import os
import threading

KEPT_BYTES = 4096
"""Of the beginning, and of the end."""
FIRST, LAST = 10, 20
"""Lines that are told."""
END_SECONDS = 1.0


class Words:
    """Reads a pipe in a thread, so that whoever writes never waits, and nothing piles up.

    ``end`` is the descriptor to write to; :meth:`begin` closes it here.
    """

    def __init__(self) -> None:
        self._begun, self.end = os.pipe()
        self._first, self._last = bytearray(), bytearray()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def begin(self) -> None:
        """Listen to the others that have ``end``, until the last of them closes it."""
        os.close(self.end)
        self._thread.start()

    def _read(self) -> None:
        with os.fdopen(self._begun, "rb", buffering=0) as stream:
            while part := stream.read(2**16):
                room = KEPT_BYTES - len(self._first)
                self._first += part[:room]
                self._last = (self._last + part[room:])[-KEPT_BYTES:]

    def lines(self) -> list[str]:
        """Return first and last lines of what was said; call it when the child has ended."""
        self._thread.join(END_SECONDS)
        text = bytes(self._first + self._last).decode(errors="replace")
        lines = text.splitlines()
        if len(lines) <= FIRST + LAST:
            return lines
        return [*lines[:FIRST], "...", *lines[-LAST:]]
