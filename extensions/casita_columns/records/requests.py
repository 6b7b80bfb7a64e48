"""What the service remembers: requests, their files, datasets.

Every method is one transaction, so that a service that is killed has done it or has not.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, literal, select, update
from sqlalchemy.orm import aliased

from casita.errors import MissingError
from casita_columns.records.database import batches
from casita_columns.records.datasets import Datasets
from casita_columns.records.elsewhere import Elsewhere
from casita_columns.records.outcomes import used_by
from casita_columns.records.tables import (
    CANCELED,
    COMPLETE,
    DONE,
    OPEN,
    RUNNING,
    WAITING,
    Dataset,
    DatasetFile,
    Leftover,
    Request,
    Result,
    now,
)
from casita_columns.records.taking import Taking


@dataclass(frozen=True)
class Totals:
    """Sums over requests."""

    size: int
    bytes_in: int
    events: int
    events_in: int


class Records(Datasets, Taking, Elsewhere):
    """What is remembered of requests, of their files, and of datasets."""

    def add(self, request: Request) -> Request:
        """Remember a new request."""
        request.id = str(uuid.uuid4())
        with self._writing() as session:
            session.add(request)
        return request

    def request(self, owner: str, identifier: str) -> Request:
        """Return a user's request.

        Raises
        ------
        MissingError
            There is none, or it is another user's.
        """
        found = self.known(identifier)
        if found is None or found.owner != owner:
            raise MissingError(
                f"there is no request {identifier[:60]!r}", hint="`casita columns ls` lists yours"
            )
        return found

    def known(self, identifier: str) -> Request | None:
        """Return a request, whoever's it is."""
        with self._reading() as session:
            return session.scalars(select(Request).where(Request.id == identifier)).first()

    def requests(self, owner: str, limit: int = 1000) -> Sequence[Request]:
        """Return a user's requests, the newest first."""
        found = select(Request).where(Request.owner == owner).order_by(Request.number.desc())
        with self._reading() as session:
            return session.scalars(found.limit(limit)).all()

    def unfinished(self) -> Sequence[Request]:
        """Return the requests that are not done, the oldest first."""
        found = select(Request).where(Request.state.in_(OPEN)).order_by(Request.number)
        with self._reading() as session:
            return session.scalars(found).all()

    def set_state(self, identifier: str, state: str, trouble: str = "") -> bool:
        """Move a request on, unless it is done; returns whether it was moved."""
        values: dict[str, Any] = {"state": state}
        if trouble:
            values["trouble"] = trouble
        if state in DONE:
            values["finished"] = now()
        with self._writing() as session:
            moved = session.execute(
                update(Request)
                .where(Request.id == identifier, Request.state.in_(OPEN))
                .values(**values)
            )
            return bool(moved.rowcount)  # type: ignore[attr-defined]

    def set_dataset(self, identifier: str, dataset: int) -> None:
        """Let a request be of another dataset, with the files of its name."""
        with self._writing() as session:
            session.execute(
                update(Request).where(Request.id == identifier).values(dataset_id=dataset)
            )

    def cancel(self, identifier: str) -> bool:
        """Cancel a request; returns whether it was under way."""
        return self.set_state(identifier, CANCELED)

    def begin(self, identifier: str) -> None:
        """Make a file's row for every file of its dataset, and let the request run."""
        with self._writing() as session:
            request = session.scalars(select(Request).where(Request.id == identifier)).one()
            if request.state not in OPEN or request.state == RUNNING:
                return
            files = select(
                literal(identifier),
                DatasetFile.id,
                DatasetFile.number,
                DatasetFile.paths,
                literal(WAITING),
                literal(0),
                literal(0.0),
                literal(0),
                literal(0),
                literal(0.0),
                literal(""),
            ).where(DatasetFile.dataset_id == request.dataset_id)
            columns = ["request_id", "file_id", "number", "paths", "state", "attempts"]
            columns += ["taken_until", "events", "size", "seconds", "trouble"]
            session.execute(insert(Result).from_select(columns, files))
            dataset = session.get_one(Dataset, request.dataset_id)
            dataset.used = now()
            request.files, request.state, request.started = dataset.files, RUNNING, now()

    # ---- results that are there already

    def same(self, query: str, version: str) -> Sequence[Request]:
        """Return whole results of the same query of the same files, the newest first."""
        found = (
            select(Request)
            .join(Dataset, Dataset.id == Request.dataset_id)
            .where(
                Request.query == query,
                Dataset.version == version,
                Request.state == COMPLETE,
                Request.failed == 0,
            )
        )
        with self._reading() as session:
            return session.scalars(found.order_by(Request.number.desc()).limit(50)).all()

    def share(self, identifier: str, source: str) -> bool:
        """Give a request the results of another; returns whether they still are there."""
        columns = ["file_id", "number", "paths", "state", "attempts", "taken_until", "name", "key"]
        columns += ["events", "size", "seconds", "trouble", "created"]
        theirs = aliased(Result)
        copied = select(literal(identifier), *(getattr(theirs, one) for one in columns)).where(
            theirs.request_id == source
        )
        with self._writing() as session:
            given = session.scalars(select(Request).where(Request.id == source)).first()
            request = session.scalars(select(Request).where(Request.id == identifier)).one()
            if given is None or request.state not in OPEN:
                return False
            session.execute(insert(Result).from_select(["request_id", *columns], copied))
            for one in ("files", "completed", "events", "events_in", "size", "last_result"):
                setattr(request, one, getattr(given, one))
            request.source, request.state = source, COMPLETE
            request.started = request.finished = now()
        return True

    # ---- requests that go

    def delete(self, identifier: str) -> list[str]:
        """Forget a request; returns the keys of objects that nobody refers to any more.

        They are ``leftovers`` until they are ``removed``.
        """
        with self._writing() as session:
            own = select(Result.key).where(Result.request_id == identifier, Result.key.is_not(None))
            keys = set(session.scalars(own))
            session.execute(delete(Result).where(Result.request_id == identifier))
            session.execute(delete(Request).where(Request.id == identifier))
            shared = set[str | None]()
            for some in batches(sorted(one for one in keys if one)):
                shared |= set(session.scalars(select(Result.key).where(Result.key.in_(some))))
            gone = sorted(one for one in keys - shared if one)
            session.add_all(Leftover(key=one) for one in gone)
        return gone

    def leftovers(self) -> Sequence[str]:
        """Return the keys of objects that are to be removed."""
        with self._reading() as session:
            return session.scalars(select(Leftover.key).where(Leftover.due <= now())).all()

    def removed(self, keys: Sequence[str]) -> None:
        """Note that objects are removed."""
        with self._writing() as session:
            for some in batches(keys):
                session.execute(delete(Leftover).where(Leftover.key.in_(some)))

    def older(self, than: float) -> Sequence[str]:
        """Return requests that were done before a time."""
        found = select(Request.id).where(Request.state.in_(DONE), Request.finished < than)
        with self._reading() as session:
            return session.scalars(found).all()

    # ---- sums

    def usage(self, owner: str) -> int:
        """Return the bytes of a user's results."""
        with self._reading() as session:
            return used_by(session, owner)

    def counts(self) -> dict[str, int]:
        """Return how many requests are in each state."""
        found = select(Request.state, func.count()).group_by(Request.state)
        with self._reading() as session:
            return {row[0]: row[1] for row in session.execute(found).all()}

    def totals(self) -> Totals:
        """Return sums over all requests that read their files themselves."""
        names = ("size", "bytes_in", "events", "events_in")
        sums = [func.coalesce(func.sum(getattr(Request, one)), 0) for one in names]
        with self._reading() as session:
            row = session.execute(select(*sums).where(Request.source == "")).one()
        return Totals(*map(int, row))
