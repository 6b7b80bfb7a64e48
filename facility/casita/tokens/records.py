"""What the issuer writes down: an append-only audit log, and the tokens that were taken back."""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from casita.errors import ServiceError
from casita.files import read_json, write_json
from casita.serving import Refused

EACH = 200
"""Live revocations of one user."""


class Audit:
    """One JSON object a line for each token made or revoked, and new keys; never a token itself."""

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
        self._lock = threading.Lock()
        self._ends: dict[str, tuple[float, str]] = {
            key: (float(ends), str(user)) for key, (ends, user) in read_json(path, {}).items()
        }

    def add(self, identifier: str, expires: float, user: str) -> None:
        """Take one back.

        Raises
        ------
        Refused
            429: the user has taken back so many that the list would be too long for others.
        """
        with self._lock:
            live = self._live()
            if sum(owner == user for _, owner in live.values()) >= EACH:
                raise Refused(
                    429, "too_many", f"{EACH} of your tokens are revoked already", "they end soon"
                )
            self._ends = {**live, identifier: (expires, user)}
            write_json(self._path, self._ends)

    def identifiers(self) -> list[str]:
        """Return those that have not ended by themselves."""
        with self._lock:
            return sorted(self._live())

    def _live(self) -> dict[str, tuple[float, str]]:
        now = time.time()
        return {key: one for key, one in self._ends.items() if one[0] > now}
