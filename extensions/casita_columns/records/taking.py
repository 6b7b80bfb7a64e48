"""Files of requests that wait to be read: they are taken, kept, and given back."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, exists, func, select, update
from sqlalchemy.orm import Session

from casita_columns.records.outcomes import Outcomes
from casita_columns.records.tables import RUNNING, TAKEN, WAITING, Request, Result, now


class Taking(Outcomes):
    """Hands files out."""

    def resume(self) -> None:
        """Take back what was handed out when the service ended."""
        with self._writing() as session:
            session.execute(
                update(Result)
                .where(Result.state == TAKEN, Result.taken_until == 0)
                .values(state=WAITING)
            )

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

    def taken(self, identifier: int) -> Result | None:
        """Return a file that is under way, and still wanted."""
        running = exists().where(Request.id == Result.request_id, Request.state == RUNNING)
        found = select(Result).where(Result.id == identifier, Result.state == TAKEN, running)
        with self._reading() as session:
            return session.scalars(found).first()

    def give_back(self, identifier: int, trouble: str = "") -> None:
        """Let a file be taken again."""
        with self._writing() as session:
            session.execute(
                update(Result)
                .where(Result.id == identifier, Result.state == TAKEN)
                .values(state=WAITING, trouble=trouble, taken_until=0)
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
