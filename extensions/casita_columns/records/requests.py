"""What the service remembers: requests, their files, datasets.

Every method is one transaction, so that a service that is killed has done it or has not.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, func, insert, literal, select, update
from sqlalchemy.orm import Session, aliased

from casita.errors import MissingError
from casita_columns.records.database import batches
from casita_columns.records.datasets import Datasets
from casita_columns.records.tables import (
    CANCELED,
    COMPLETE,
    DONE,
    FAILURE,
    OPEN,
    RUNNING,
    SUCCESS,
    TAKEN,
    WAITING,
    Dataset,
    DatasetFile,
    Leftover,
    Request,
    Result,
    now,
)

PAGE = 1000


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


@dataclass(frozen=True)
class Totals:
    """Sums over requests."""

    size: int
    bytes_in: int
    events: int
    events_in: int


class Records(Datasets):
    """What is remembered of requests, and of datasets."""

    def resume(self) -> None:
        """Take back what was handed out when the service ended."""
        with self._writing() as session:
            session.execute(
                update(Result)
                .where(Result.state == TAKEN, Result.taken_until == 0)
                .values(state=WAITING)
            )

    # ---- requests

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
            return session.scalars(select(Leftover.key)).all()

    def removed(self, keys: Sequence[str]) -> None:
        """Note that objects are removed."""
        with self._writing() as session:
            for some in batches(keys):
                session.execute(delete(Leftover).where(Leftover.key.in_(some)))

    # ---- files of requests

    def next_waiting(
        self, executor: str, in_flight: dict[str, int], seconds: float
    ) -> Result | None:
        """Take the next file: of the user with the fewest under way, of their oldest request.

        Parameters
        ----------
        in_flight
            How many files of each user are under way.
        seconds
            For which it is taken; 0: as long as the service runs.
        """
        waiting = exists().where(Result.request_id == Request.id, Result.state == WAITING)
        found = (
            select(Request.owner, func.min(Request.number))
            .where(Request.state == RUNNING, Request.executor == executor, waiting)
            .group_by(Request.owner)
        )
        with self._writing() as session:
            offered = session.execute(found).all()
            if not offered:
                return None
            _, number = min(offered, key=lambda one: (in_flight.get(one[0], 0), one[1]))
            request = session.get_one(Request, number)
            return self._take(session, Result.request_id == request.id, seconds)

    def take_of(self, owner: str, executor: str, seconds: float) -> Result | None:
        """Take the next file of a user's requests."""
        own = select(Request.id).where(
            Request.state == RUNNING, Request.executor == executor, Request.owner == owner
        )
        with self._writing() as session:
            return self._take(session, Result.request_id.in_(own), seconds)

    def _take(self, session: Session, which: ColumnElement[bool], seconds: float) -> Result | None:
        found = select(Result).where(which, Result.state == WAITING)
        result = session.scalars(
            found.order_by(Result.number).limit(1).with_for_update(skip_locked=True)
        ).first()
        if result is not None:
            result.state, result.attempts = TAKEN, result.attempts + 1
            result.taken_until = now() + seconds if seconds else 0
        return result

    def keep_taken(self, identifier: int, seconds: float) -> bool:
        """Take a file for longer; returns whether it still is whose it was, and wanted."""
        running = exists().where(Request.id == Result.request_id, Request.state == RUNNING)
        with self._writing() as session:
            kept = session.execute(
                update(Result)
                .where(Result.id == identifier, Result.state == TAKEN, running)
                .values(taken_until=now() + seconds)
            )
            return bool(kept.rowcount)  # type: ignore[attr-defined]

    def give_back(self, identifier: int, trouble: str = "") -> None:
        """Let a file be taken again."""
        with self._writing() as session:
            session.execute(
                update(Result)
                .where(Result.id == identifier, Result.state == TAKEN)
                .values(state=WAITING, trouble=trouble, taken_until=0)
            )

    def set_dataset(self, identifier: str, dataset: int) -> None:
        """Let a request be of another dataset, with the files of its name."""
        with self._writing() as session:
            session.execute(
                update(Request).where(Request.id == identifier).values(dataset_id=dataset)
            )

    def give_back_lost(self, attempts: int) -> int:
        """Let files be taken again whose takers have not been heard of; returns how many.

        Parameters
        ----------
        attempts
            So often a file is tried; one that was lost more often is given up.
        """
        lost = (Result.state == TAKEN, Result.taken_until > 0, Result.taken_until < now())
        with self._reading() as session:
            over = session.scalars(
                select(Result.id).where(*lost, Result.attempts >= attempts)
            ).all()
        for one in over:
            self.fail(one, f"its worker was lost {attempts} times")
        with self._writing() as session:
            given = session.execute(update(Result).where(*lost).values(state=WAITING))
            return int(given.rowcount)  # type: ignore[attr-defined]

    def give_back_forgotten(self, executor: str, known: Collection[int]) -> int:
        """Let files be taken again that nobody is at, of those without a term; returns how many."""
        mine = exists().where(Request.id == Result.request_id, Request.executor == executor)
        taken = select(Result).where(Result.state == TAKEN, Result.taken_until == 0, mine)
        with self._writing() as session:
            forgotten = [one for one in session.scalars(taken) if one.id not in known]
            for one in forgotten:
                one.state = WAITING
        return len(forgotten)

    def taken(self, identifier: int) -> Result | None:
        """Return a file that is under way, and still wanted."""
        running = exists().where(Request.id == Result.request_id, Request.state == RUNNING)
        found = select(Result).where(Result.id == identifier, Result.state == TAKEN, running)
        with self._reading() as session:
            return session.scalars(found).first()

    def succeed(self, identifier: int, outcome: Outcome) -> bool:
        """Note a result, and only then count it; returns whether it was wanted."""
        with self._writing() as session:
            result, request = self._under_way(session, identifier)
            if result is None or request is None:
                return False
            result.state, result.trouble = SUCCESS, ""
            _add(request, result, outcome)
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

    def result(self, identifier: str, name: str) -> Result | None:
        """Return a result by its object's name."""
        found = select(Result).where(Result.request_id == identifier, Result.name == name)
        with self._reading() as session:
            return session.scalars(found).first()

    # ---- requests that another ServiceX runs

    def set_remote(self, identifier: str, remote: str) -> None:
        """Note under which name a request is known there."""
        with self._writing() as session:
            session.execute(
                update(Request).where(Request.id == identifier).values(remote=remote, started=now())
            )

    def set_files(self, identifier: str, files: int) -> None:
        """Note how many files a request has there."""
        with self._writing() as session:
            session.execute(update(Request).where(Request.id == identifier).values(files=files))

    def remote_rows(self, identifier: str) -> set[int]:
        """Return which of the rows there are here."""
        found = select(Result.file_id).where(Result.request_id == identifier)
        with self._reading() as session:
            return set(session.scalars(found))

    def add_remote(
        self, identifier: str, row: int, number: int, path: str, came: Outcome | str
    ) -> bool:
        """Note a file that was read there, or why it was not; returns whether it was wanted.

        Parameters
        ----------
        row
            Its number there, which stays.
        number
            Its number here.
        """
        with self._writing() as session:
            held = select(Request).where(Request.id == identifier).with_for_update()
            request = session.scalars(held).one()
            if request.state not in OPEN:
                return False
            result = Result(request_id=identifier, file_id=row, number=number, paths=path)
            session.add(result)
            if isinstance(came, str):
                result.state, result.trouble = FAILURE, came
                request.failed += 1
            else:
                result.state = SUCCESS
                _add(request, result, came)
            _date(request, result)  # more files may be found there yet
            return True

    def complete(self, identifier: str) -> None:
        """End a request whose files are all here."""
        with self._writing() as session:
            request = session.scalars(select(Request).where(Request.id == identifier)).one()
            if request.state in OPEN:
                request.files = request.completed + request.failed
                request.state, request.finished = COMPLETE, now()

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

    # ---- keeping house

    def usage(self, owner: str) -> int:
        """Return the bytes of a user's results."""
        found = select(func.coalesce(func.sum(Request.size), 0)).where(Request.owner == owner)
        with self._reading() as session:
            return int(session.scalar(found) or 0)

    def older(self, than: float) -> Sequence[str]:
        """Return requests that were done before a time."""
        found = select(Request.id).where(Request.state.in_(DONE), Request.finished < than)
        with self._reading() as session:
            return session.scalars(found).all()

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

    def waiting(self) -> int:
        """Return how many files wait to be read."""
        found = (
            select(func.count())
            .select_from(Result)
            .join(Request, Request.id == Result.request_id)
            .where(Result.state == WAITING, Request.state == RUNNING)
        )
        with self._reading() as session:
            return int(session.scalar(found) or 0)


def _add(request: Request, result: Result, outcome: Outcome) -> None:
    """Put what came of a file into its row, and into the sums of its request."""
    result.name, result.key = outcome.name, outcome.key
    result.events, result.size = outcome.events, outcome.size
    result.seconds = outcome.seconds
    request.completed += 1
    request.events += outcome.events
    request.size += outcome.size
    request.events_in += outcome.events_in
    request.bytes_in += outcome.bytes_in
    request.seconds += outcome.seconds


def _date(request: Request, result: Result) -> None:
    """Give a file that is done its time, later than any other's."""
    result.created = max(int(1e6 * now()), request.last_result + 1)
    request.last_result = result.created


def _stamp(request: Request, result: Result) -> None:
    """Give a file that is done its time, and end the request after the last."""
    _date(request, result)
    if request.completed + request.failed == request.files:
        request.state, request.finished = COMPLETE, now()
