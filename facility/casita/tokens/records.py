"""What the issuer writes down: an append-only audit log, and the tokens that were taken back."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from casita.errors import ServiceError
from casita.files import read_json, write_json


class Audit:
    """One JSON object a line for each token made, refused or revoked; never a token itself."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, event: str, **fields: Any) -> None:
        """Append a line, on disk when this returns.

        Raises
        ------
        ServiceError
            It can't be written: no token may leave that nobody will know of.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": event, **fields}) + "\n"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            handle = os.open(self._path, flags, 0o600)
            try:
                if os.write(handle, line.encode()) != len(line.encode()):
                    raise OSError("cut short")
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise ServiceError(
                "the log of tokens can't be written, so none are made",
                hint="tell the operator: is the disk full?",
            ) from error


class Revoked:
    """Tokens that were taken back and would still be good, by their ``jti``.

    Services of the facility look at the list every few seconds. XRootD does not: there a token
    ends with its ``exp``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ends: dict[str, float] = read_json(path, {})

    def add(self, identifier: str, expires: float) -> None:
        """Take one back."""
        self._ends = {**self._live(), identifier: expires}
        write_json(self._path, self._ends)

    def identifiers(self) -> list[str]:
        """Return those that have not ended by themselves."""
        return sorted(self._live())

    def _live(self) -> dict[str, float]:
        now = time.time()
        return {one: ends for one, ends in self._ends.items() if ends > now}
