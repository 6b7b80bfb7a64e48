"""What came of the files of requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from casita_columns.records.database import Database, batches
from casita_columns.records.tables import (
    COMPLETE,
    FAILURE,
    RUNNING,
    SUCCESS,
    TAKEN,
    Leftover,
    Request,
    Result,
    now,
)

PAGE = 1000
PROMISE_SECONDS = 86400.0
"""So long an object may lie in the store before its request has it."""


@dataclass(frozen=True)
class Outcome:
    """What came of one file."""

    name: str
    key: str
    size: int
    """Bytes."""
    events: int
    events_in: int
    bytes_in: int
    seconds: float


class QuotaError(Exception):
    """A user's results would take more than they may."""


class Outcomes(Database):
    """Files that are done, and how they become so."""

    def promise(self, key: str) -> None:
        """Note an object before it is put into the store, lest it be forgotten there."""
        with self._writing() as session:
            session.merge(Leftover(key=key, due=now() + PROMISE_SECONDS))

    def succeed(self, identifier: int, outcome: Outcome, quota: int | None = None) -> bool:
        """Note a result, and only then count it; returns whether it was wanted.

        Raises
        ------
        QuotaError
            Its owner's results would take more than ``quota`` bytes.
        """
        with self._writing() as session:
            result, request = self._under_way(session, identifier)
            if result is None or request is None:
                return False
            allow(session, request, outcome, quota)
            result.state, result.trouble = SUCCESS, ""
            put(session, request, result, outcome)
            _stamp(request, result)
            return True

    def fail(self, identifier: int, trouble: str) -> bool:
        """Note that a file came to nothing; returns whether that was of interest."""
        with self._writing() as session:
            result, request = self._under_way(session, identifier)
            if result is None or request is None:
                return False
            result.state, result.trouble = FAILURE, trouble
            request.failed += 1
            request.trouble = request.trouble or trouble.partition("\n")[0]
            _stamp(request, result)
            return True

    @staticmethod
    def _under_way(session: Session, identifier: int) -> tuple[Result | None, Request | None]:
        """Return a file that is under way, and its request, held until the transaction ends."""
        result = session.get(Result, identifier)
        if result is None or result.state != TAKEN:
            return None, None
        held = select(Request).where(Request.id == result.request_id).with_for_update()
        request = session.scalars(held).one()
        return (result, request) if request.state == RUNNING else (None, None)

    def results(self, identifier: str, state: str = "", limit: int = 0) -> Sequence[Result]:
        """Return files of a request, in order; those that are done unless a state is given."""
        found = select(Result).where(Result.request_id == identifier).order_by(Result.number)
        wanted = (state,) if state else (SUCCESS, FAILURE)
        found = found.where(Result.state.in_(wanted))
        with self._reading() as session:
            return session.scalars(found.limit(limit) if limit else found).all()

    def results_after(self, identifier: str, created: int, limit: int = 0) -> Sequence[Result]:
        """Return files of a request that were done later than ``created``, by that time."""
        found = select(Result).where(Result.request_id == identifier, Result.created > created)
        found = found.order_by(Result.created)
        with self._reading() as session:
            return session.scalars(found.limit(limit) if limit else found).all()

    def pages_after(self, identifier: str, created: int) -> Iterator[Sequence[Result]]:
        """Yield the same in pages: a request may have hundreds of thousands of files."""
        while page := self.results_after(identifier, created, PAGE):
            yield page
            if len(page) < PAGE:
                return
            created = page[-1].created or 0

    def named(self, identifier: str, names: Sequence[str]) -> set[str]:
        """Return those of the names that objects of a request have."""
        found = set[str | None]()
        with self._reading() as session:
            for some in batches(names):
                mine = select(Result.name).where(Result.request_id == identifier)
                found |= set(session.scalars(mine.where(Result.name.in_(some))))
        return {one for one in found if one}

    def pages_by_name(self, identifier: str, first: str) -> Iterator[Sequence[Result]]:
        """Yield results of a request in pages, by their objects' names, from one on (UTF-8)."""
        of = select(Result).where(Result.request_id == identifier, Result.state == SUCCESS)
        found = of.where(Result.name >= first)
        while True:
            with self._reading() as session:
                page = session.scalars(found.order_by(Result.name).limit(PAGE)).all()
            if page:
                yield page
            if len(page) < PAGE:
                return
            found = of.where(Result.name > page[-1].name)

    def result(self, identifier: str, name: str) -> Result | None:
        """Return a result by its object's name."""
        found = select(Result).where(Result.request_id == identifier, Result.name == name)
        with self._reading() as session:
            return session.scalars(found).first()


def used_by(session: Session, owner: str) -> int:
    """Return the bytes of a user's results."""
    found = select(func.coalesce(func.sum(Request.size), 0)).where(Request.owner == owner)
    return int(session.scalar(found) or 0)


def allow(session: Session, request: Request, outcome: Outcome, quota: int | None) -> None:
    """Refuse a result for which there is no room, whoever stored another meanwhile."""
    if quota is not None and used_by(session, request.owner) + outcome.size > quota:
        raise QuotaError


def put(session: Session, request: Request, result: Result, outcome: Outcome) -> None:
    """Put what came of a file into its row, and into the sums of its request."""
    session.execute(delete(Leftover).where(Leftover.key == outcome.key))
    result.name, result.key = outcome.name, outcome.key
    result.events, result.size = outcome.events, outcome.size
    result.seconds = outcome.seconds
    request.completed += 1
    request.events += outcome.events
    request.size += outcome.size
    request.events_in += outcome.events_in
    request.bytes_in += outcome.bytes_in
    request.seconds += outcome.seconds


def date(request: Request, result: Result) -> None:
    """Give a file that is done its time, later than any other's."""
    result.created = max(int(1e6 * now()), request.last_result + 1)
    request.last_result = result.created


def _stamp(request: Request, result: Result) -> None:
    """Give a file that is done its time, and end the request after the last."""
    date(request, result)
    if request.completed + request.failed == request.files:
        request.state, request.finished = COMPLETE, now()
