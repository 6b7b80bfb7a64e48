"""Requests that another ServiceX runs, and what came of their files there."""

from __future__ import annotations

from sqlalchemy import select, update

from casita_columns.records.database import Database
from casita_columns.records.outcomes import Outcome, allow, date, put
from casita_columns.records.tables import COMPLETE, FAILURE, OPEN, SUCCESS, Request, Result, now


class Elsewhere(Database):
    """Notes what is told of them."""

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
        self,
        identifier: str,
        row: int,
        number: int,
        path: str,
        came: Outcome | str,
        quota: int | None = None,
    ) -> bool:
        """Note a file that was read there, or why it was not; returns whether it was wanted.

        Parameters
        ----------
        row
            Its number there, which stays.
        number
            Its number here.

        Raises
        ------
        QuotaError
            Its owner's results would take more than ``quota`` bytes.
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
                allow(session, request, came, quota)
                result.state = SUCCESS
                put(session, request, result, came)
            date(request, result)  # more files may be found there yet
            return True

    def complete(self, identifier: str) -> None:
        """End a request whose files are all here."""
        with self._writing() as session:
            request = session.scalars(select(Request).where(Request.id == identifier)).one()
            if request.state in OPEN:
                request.files = request.completed + request.failed
                request.state, request.finished = COMPLETE, now()
