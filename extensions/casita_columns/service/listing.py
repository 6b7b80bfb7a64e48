"""Listing folders with the rights of the user who asks, for finders."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from casita_columns.finders import Context, LookupFailed, NotThere
from casita_columns.service.access import Access
from casita_columns.settings import ServiceSettings
from casita_columns.workers.inputs import version_of
from casita_columns.workers.pool import Pool, Rights

TEXT_BYTES = 256 * 2**20
CACHE = "cache"


class Listing:
    """Makes what finders need.

    Parameters
    ----------
    pool
        Workers that list.
    access
        For tokens with which the cache's catalogue is asked.
    """

    def __init__(self, settings: ServiceSettings, pool: Pool, access: Access) -> None:
        self._settings = settings
        self._access = access
        self._pool = pool
        self._http = httpx.Client(timeout=60, trust_env=True, follow_redirects=True)

    def context(self, rights: Rights) -> Context:
        """Return the context of one lookup."""

        def list_directory(url: str) -> list[tuple[str, int | None, bool]]:
            return self._list(rights, url)

        folder = self._settings.directory / "finders"
        folder.mkdir(exist_ok=True)
        return Context(
            user=rights.user,
            list_directory=list_directory,
            http=self._http,
            directory=Path(folder),
            fetch_fileset=lambda name: self._fileset(rights, name),
        )

    def versions(self, rights: Rights, paths: Sequence[str]) -> list[tuple[int, str]]:
        """Return size in bytes, and what tells it from an older one, of local files."""
        if not self._pool.crew.accounts:
            return [version_of(one) for one in paths]
        if not paths:
            return []
        with (
            tempfile.TemporaryFile("w+") as names,
            tempfile.TemporaryFile() as out,
            self._pool.worker(rights) as worker,
        ):
            json.dump(list(paths), names)
            names.flush()
            worker.ask({"do": "versions"}, [names.fileno(), out.fileno()])
            found: list[Any] = json.loads(os.pread(out.fileno(), TEXT_BYTES, 0))
        return [(int(size), str(version)) for size, version in found]

    def _fileset(self, rights: Rights, name: str) -> dict[str, Any] | None:
        """Return a dataset of the cache's catalogue, as the user may see it."""
        token = self._access.reader(rights, CACHE)
        if not token:
            return None
        public = self._settings.url.partition("/services/")[0]
        try:
            answer = self._http.get(
                f"{public}/services/{CACHE}/datasets/{quote(name, safe='')}",
                headers={"Authorization": f"Bearer {token}"},
            )
            content = answer.json() if answer.status_code == 200 else {}
        except (httpx.HTTPError, ValueError) as error:
            raise LookupFailed(
                f"the cache does not tell its datasets: {error}", hint="try again in a moment"
            ) from error
        found = content.get(name) if isinstance(content, dict) else None
        return found if isinstance(found, dict) else None

    def _list(self, rights: Rights, url: str) -> list[tuple[str, int | None, bool]]:
        with tempfile.TemporaryFile() as out, self._pool.worker(rights) as worker:
            done = worker.ask({"do": "list", "url": url}, [out.fileno()])["done"]
            if "absent" in done:
                raise NotThere(done["absent"])
            found: list[Any] = json.loads(os.pread(out.fileno(), TEXT_BYTES, 0))
        return [(str(name), size, bool(folder)) for name, size, folder in found]
