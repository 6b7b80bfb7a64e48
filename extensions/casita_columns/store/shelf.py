"""Which objects a request has, for the store's doors (:mod:`casita_columns.store.s3`)."""

from __future__ import annotations

from collections.abc import Iterator

from casita_columns.records.requests import Records
from casita_columns.records.tables import Result
from casita_columns.store.objects import Stored


class Shelf:
    """Looks them up in the records."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def find(self, request_id: str, name: str) -> Stored | None:
        """Return a request's object by its name."""
        found = self._records.result(request_id, name)
        return _stored(found) if found is not None and found.key else None

    def has(self, request_id: str) -> bool:
        """Whether there is such a request."""
        return self._records.known(request_id) is not None

    def list(self, request_id: str, first: str) -> Iterator[Stored]:
        """Yield a request's objects by name, from one on."""
        for page in self._records.pages_by_name(request_id, first):
            yield from map(_stored, page)


def _stored(one: Result) -> Stored:
    return Stored(
        name=one.name or "", key=one.key or "", size=one.size, modified=(one.created or 0) / 1e6
    )
