"""Which objects a request has, for the store's doors (:mod:`casita_columns.store.s3`)."""

from __future__ import annotations

from casita_columns.records.requests import Records
from casita_columns.records.tables import SUCCESS, Result
from casita_columns.store.objects import Stored


class Shelf:
    """Looks them up in the records."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def find(self, request_id: str, name: str) -> Stored | None:
        """Return a request's object by its name."""
        found = self._records.result(request_id, name)
        return _stored(found) if found is not None and found.key else None

    def list(self, request_id: str) -> list[Stored] | None:
        """Return a request's objects by name, or None if there is no such request."""
        if self._records.known(request_id) is None:
            return None
        found = self._records.results(request_id, SUCCESS)
        return sorted((_stored(one) for one in found), key=lambda one: one.name)


def _stored(one: Result) -> Stored:
    return Stored(
        name=one.name or "", key=one.key or "", size=one.size, modified=(one.created or 0) / 1e6
    )
