"""Listing folders with the rights of the user who asks, for finders."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import httpx

from casita_columns.finders import Context, NotThere
from casita_columns.settings import ServiceSettings
from casita_columns.workers import Pool

TEXT_BYTES = 256 * 2**20


class Listing:
    """Makes what finders need.

    Parameters
    ----------
    pool
        Workers that list.
    """

    def __init__(self, settings: ServiceSettings, pool: Pool) -> None:
        self._settings = settings
        self._pool = pool
        self._http = httpx.Client(timeout=60, trust_env=True, follow_redirects=True)

    def context(self, user: str) -> Context:
        """Return the context of one user's lookup."""

        def list_directory(url: str) -> list[tuple[str, int | None, bool]]:
            return self._list(user, url)

        folder = self._settings.directory / "finders"
        folder.mkdir(exist_ok=True)
        return Context(
            user=user, list_directory=list_directory, http=self._http, directory=Path(folder)
        )

    def _list(self, user: str, url: str) -> list[tuple[str, int | None, bool]]:
        with tempfile.TemporaryFile() as out, self._pool.worker(user) as worker:
            done = worker.ask({"do": "list", "url": url}, [out.fileno()])["done"]
            if "absent" in done:
                raise NotThere(done["absent"])
            found: list[Any] = json.loads(os.pread(out.fileno(), TEXT_BYTES, 0))
        return [(str(name), size, bool(folder)) for name, size, folder in found]
