"""Looks at what a dataset holds: trees and columns of its first file."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any

from casita.auth.verifier import StorageToken
from casita.errors import CasitaError
from casita.serving import Refused
from casita_columns.models import Look, LookRequest
from casita_columns.records.requests import Records
from casita_columns.records.tables import Dataset
from casita_columns.service.access import rights_of
from casita_columns.service.lookup import Lookup
from casita_columns.workers.pool import Pool, Rights, TaskError

TREES_BYTES = 64 * 2**20


class Looking:
    """Looks with the rights of who asks.

    Parameters
    ----------
    pool
        Workers that need not wait until a file is read.
    """

    def __init__(self, records: Records, lookup: Lookup, pool: Pool) -> None:
        self._records = records
        self._lookup = lookup
        self._pool = pool

    def look(self, body: LookRequest, caller: StorageToken) -> Look:
        """Tell what the first file of a dataset holds.

        Raises
        ------
        Refused
            400: the dataset has no files, or the first can't be read.
        """
        rights = rights_of(caller)
        dataset = self._found(body, rights)
        first = self._records.first_file(dataset.id)
        assert first is not None
        trees, path = self._trees(first.paths.split("\n"), rights)
        return Look.model_validate(
            {
                "did": body.did,
                "dataset_id": dataset.id,
                "files": dataset.files,
                "size": dataset.size,
                "events": dataset.events,
                "path": path,
                "trees": trees,
            }
        )

    def _found(self, body: LookRequest, rights: Rights) -> Dataset:
        if not body.did:
            if not body.files:
                raise Refused(400, "bad_request", "did: name a dataset, or files")
            return self._lookup.listed(rights, body.files)
        dataset, did = self._lookup.named(rights.user, body.did)
        if did is None:
            return dataset
        try:
            return self._lookup.look(dataset, did, rights)
        except CasitaError as error:
            self._records.fail_dataset(dataset.id, "internal_failure", error.message)
            raise Refused(400, "bad_request", error.message, error.hint) from None

    def _trees(self, replicas: list[str], rights: Rights) -> tuple[Any, str]:
        trouble: TaskError | None = None
        for url in replicas:
            with tempfile.TemporaryFile() as out, self._pool.worker(rights) as worker:
                try:
                    worker.ask({"do": "look", "url": url}, [out.fileno()])
                except TaskError as error:
                    trouble = error
                    continue
                return json.loads(os.pread(out.fileno(), TREES_BYTES, 0)), url
        assert trouble is not None
        raise Refused(400, "bad_request", trouble.message)
