"""Datasets, and the files that they stood for when they were looked up."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import delete, exists, insert, select

from casita.errors import MissingError
from casita_columns.records.database import Database, batches
from casita_columns.records.tables import FOUND, Dataset, DatasetFile, Request, now

BATCH = 5000
"""Files that are inserted at once."""


@dataclass(frozen=True)
class File:
    """A file of a dataset, as it was found."""

    paths: tuple[str, ...]
    size: int = 0
    events: int = 0
    adler32: str | None = None
    version: str = ""
    """Tells it from another file of the same name, as far as known."""


class Datasets(Database):
    """What is remembered of datasets."""

    def dataset_of(self, owner: str, asked: str, since: float) -> Dataset | None:
        """Return what was found under a name after ``since``, unless it was taken back."""
        found = select(Dataset).where(
            Dataset.owner == owner,
            Dataset.asked == asked,
            Dataset.state == FOUND,
            ~Dataset.stale,
            Dataset.updated > since,
        )
        with self._reading() as session:
            return session.scalars(found.order_by(Dataset.id.desc())).first()

    def new_dataset(self, owner: str, finder: str, name: str, asked: str) -> Dataset:
        """Make an empty one."""
        made = Dataset(
            owner=owner, finder=finder, name=name, asked=asked, used=now(), updated=now()
        )
        with self._writing() as session:
            session.add(made)
        return made

    def fill_dataset(self, identifier: int, files: Iterable[File]) -> Dataset:
        """Put in its files, whatever was there before; none at all is an error of the caller's."""
        digest, rest, number, size, events = hashlib.sha256(), iter(files), 0, 0, 0
        with self._writing() as session:
            session.execute(delete(DatasetFile).where(DatasetFile.dataset_id == identifier))
        # Others write, too, while a finder looks: each batch is a transaction.
        while batch := list(islice(rest, BATCH)):
            rows = [
                {
                    "dataset_id": identifier,
                    "number": number + index,
                    "paths": "\n".join(one.paths),
                    "size": one.size,
                    "events": one.events,
                    "adler32": one.adler32,
                }
                for index, one in enumerate(batch)
            ]
            with self._writing() as session:
                session.execute(insert(DatasetFile), rows)
            number += len(batch)
            size += sum(one.size for one in batch)
            events += sum(one.events for one in batch)
            for one in batch:
                named = f"{one.paths[0]} {one.size} {one.adler32} {one.version}\n"
                digest.update(named.encode())
        with self._writing() as session:
            dataset = session.get_one(Dataset, identifier)
            dataset.files, dataset.version = number, digest.hexdigest()
            dataset.size, dataset.events = size, events
            dataset.state, dataset.updated = FOUND, now()
        return dataset

    def fail_dataset(self, identifier: int, state: str, trouble: str) -> None:
        """Note that a lookup came to nothing."""
        with self._writing() as session:
            dataset = session.get_one(Dataset, identifier)
            dataset.state, dataset.trouble, dataset.updated = state, trouble, now()

    def datasets(self, owner: str, finder: str = "", stale: bool = False) -> Sequence[Dataset]:
        """Return a user's datasets, the oldest first."""
        found = select(Dataset).where(Dataset.owner == owner).order_by(Dataset.id)
        if finder:
            found = found.where(Dataset.finder == finder)
        if not stale:
            found = found.where(~Dataset.stale)
        with self._reading() as session:
            return session.scalars(found).all()

    def dataset(self, owner: str, identifier: int) -> Dataset:
        """Return a user's dataset.

        Raises
        ------
        MissingError
            There is none, or it is another user's.
        """
        with self._reading() as session:
            found = session.get(Dataset, identifier)
        if found is None or found.owner != owner:
            raise MissingError(
                f"there is no dataset {identifier}", hint="`casita columns datasets`"
            )
        return found

    def dataset_files(self, identifier: int) -> Sequence[DatasetFile]:
        """Return a dataset's files, in order."""
        found = select(DatasetFile).where(DatasetFile.dataset_id == identifier)
        with self._reading() as session:
            return session.scalars(found.order_by(DatasetFile.number)).all()

    def dataset_pages(self, identifier: int) -> Iterator[Sequence[DatasetFile]]:
        """Yield a dataset's files, in order, a few thousand at a time."""
        last = -1
        while True:
            found = select(DatasetFile).where(
                DatasetFile.dataset_id == identifier, DatasetFile.number > last
            )
            with self._reading() as session:
                page = session.scalars(found.order_by(DatasetFile.number).limit(BATCH)).all()
            yield page
            if len(page) < BATCH:
                return
            last = page[-1].number

    def make_stale(self, identifier: int) -> None:
        """Let a dataset be looked up anew the next time."""
        with self._writing() as session:
            session.get_one(Dataset, identifier).stale = True

    def first_file(self, identifier: int) -> DatasetFile | None:
        """Return the first file of a dataset."""
        found = select(DatasetFile).where(DatasetFile.dataset_id == identifier)
        with self._reading() as session:
            return session.scalars(found.order_by(DatasetFile.number).limit(1)).first()

    def forget_datasets(self, than: float) -> None:
        """Forget datasets that nobody has used since a time, and no request refers to."""
        referred = exists().where(Request.dataset_id == Dataset.id)
        with self._writing() as session:
            old = session.scalars(select(Dataset.id).where(Dataset.used < than, ~referred)).all()
            for some in batches(old):
                session.execute(delete(DatasetFile).where(DatasetFile.dataset_id.in_(some)))
                session.execute(delete(Dataset).where(Dataset.id.in_(some)))
