"""What the service remembers, as tables (SQLAlchemy; SQLite or PostgreSQL)."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeEngine

SUBMITTED, LOOKUP, RUNNING = "Submitted", "Lookup", "Running"
COMPLETE, FATAL, CANCELED, BAD_DATASET = "Complete", "Fatal", "Canceled", "Bad Dataset"
OPEN = (SUBMITTED, LOOKUP, RUNNING)
DONE = (COMPLETE, FATAL, CANCELED, BAD_DATASET)
"""The words for a request's state are ServiceX's (``servicex/models.py``)."""

LOOKING, FOUND = "looking", "complete"
NOT_THERE, BAD_NAME, FAILED_LOOKUP = "does_not_exist", "bad_name", "internal_failure"
"""States of a dataset's lookup; the last three are what the official client can explain."""

WAITING, TAKEN, SUCCESS, FAILURE = "waiting", "taken", "success", "failure"
"""States of one file of a request."""

INTEGER = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts up by itself only what it calls INTEGER."""


def now() -> float:
    """Return the time, as seconds since 1970."""
    return datetime.now(UTC).timestamp()


class Words(TypeDecorator[str]):
    """Text of any kind, in order of its bytes, without the characters that databases don't take."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        """Order as SQLite does, and S3, whatever the database's language."""
        named = Text(collation="C") if dialect.name == "postgresql" else Text()
        return dialect.type_descriptor(named)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Put others in their place."""
        if value is None:
            return None
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


class Table(DeclarativeBase):
    """Base of all tables."""


class Dataset(Table):
    """A name, and the files that it stood for when it was looked up."""

    __tablename__ = "datasets"
    id: Mapped[int] = mapped_column(INTEGER, primary_key=True)
    owner: Mapped[str] = mapped_column(Words, index=True)
    name: Mapped[str] = mapped_column(Words)
    finder: Mapped[str] = mapped_column(Words)
    asked: Mapped[str] = mapped_column(Words)
    """What was looked up, with ``?files=``."""
    files: Mapped[int] = mapped_column(default=0)
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    """Bytes."""
    events: Mapped[int] = mapped_column(BigInteger, default=0)
    version: Mapped[str] = mapped_column(Words, default="")
    """Hash of its files' names and sizes."""
    state: Mapped[str] = mapped_column(Words, default=LOOKING)
    trouble: Mapped[str] = mapped_column(Words, default="")
    stale: Mapped[bool] = mapped_column(default=False)
    used: Mapped[float]
    updated: Mapped[float]
    # A name may be longer than what PostgreSQL's trees take.
    __table_args__ = (Index("ix_datasets_asked", "asked", postgresql_using="hash"),)


class DatasetFile(Table):
    """One file of a dataset."""

    __tablename__ = "dataset_files"
    id: Mapped[int] = mapped_column(INTEGER, primary_key=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    number: Mapped[int]
    """From 0, in the dataset's order."""
    paths: Mapped[str] = mapped_column(Words)
    """Its replicas, the best first, one a line."""
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    events: Mapped[int] = mapped_column(BigInteger, default=0)
    adler32: Mapped[str | None] = mapped_column(Words, default=None)
    __table_args__ = (UniqueConstraint("dataset_id", "number"),)


class Request(Table):
    """A transformation."""

    __tablename__ = "requests"
    number: Mapped[int] = mapped_column(INTEGER, primary_key=True)
    """In order of submission."""
    id: Mapped[str] = mapped_column(Words, unique=True)
    owner: Mapped[str] = mapped_column(Words, index=True)
    title: Mapped[str | None] = mapped_column(Words)
    did: Mapped[str] = mapped_column(Words)
    """As it was asked for; of a list of files what ServiceX says there."""
    dataset_id: Mapped[int] = mapped_column(ForeignKey("datasets.id"))
    selection: Mapped[str] = mapped_column(Words)
    codegen: Mapped[str] = mapped_column(Words)
    form: Mapped[str] = mapped_column(Words)
    """``parquet``, ``root-file`` or ``root-rntuple``."""
    destination: Mapped[str] = mapped_column(Words)
    executor: Mapped[str] = mapped_column(Words)
    reads: Mapped[str] = mapped_column(Words, default="")
    """Scopes, separated by spaces, by which its token let it read."""
    query: Mapped[str] = mapped_column(Words, index=True)
    """Hash of selection, code generator, format and the version of the code."""
    source: Mapped[str] = mapped_column(Words, default="")
    """The request whose results these are, if they were there already."""
    remote: Mapped[str] = mapped_column(Words, default="")
    """Its name at the ServiceX that runs it."""
    state: Mapped[str] = mapped_column(Words, index=True, default=SUBMITTED)
    trouble: Mapped[str] = mapped_column(Words, default="")
    files: Mapped[int] = mapped_column(default=0)
    completed: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    events: Mapped[int] = mapped_column(BigInteger, default=0)
    """Written."""
    events_in: Mapped[int] = mapped_column(BigInteger, default=0)
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    """Bytes of its results."""
    bytes_in: Mapped[int] = mapped_column(BigInteger, default=0)
    seconds: Mapped[float] = mapped_column(default=0.0)
    """Of work, summed over files."""
    submitted: Mapped[float]
    started: Mapped[float | None] = mapped_column(default=None)
    finished: Mapped[float | None] = mapped_column(default=None)
    last_result: Mapped[int] = mapped_column(BigInteger, default=0)
    """``created`` of its last result."""


class Result(Table):
    """One file of a request, and what came of it."""

    __tablename__ = "results"
    id: Mapped[int] = mapped_column(INTEGER, primary_key=True)
    request_id: Mapped[str] = mapped_column(ForeignKey("requests.id", ondelete="CASCADE"))
    file_id: Mapped[int] = mapped_column(BigInteger)
    number: Mapped[int]
    """From 0, in the dataset's order."""
    paths: Mapped[str] = mapped_column(Words)
    state: Mapped[str] = mapped_column(Words, default=WAITING)
    attempts: Mapped[int] = mapped_column(default=0)
    taken_until: Mapped[float] = mapped_column(default=0.0)
    """Then whoever took it has lost it."""
    name: Mapped[str | None] = mapped_column(Words, default=None)
    """Of the object, unique in its request."""
    key: Mapped[str | None] = mapped_column(Words, default=None)
    """In the store; requests may share it."""
    events: Mapped[int] = mapped_column(BigInteger, default=0)
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    seconds: Mapped[float] = mapped_column(default=0.0)
    trouble: Mapped[str] = mapped_column(Words, default="")
    created: Mapped[int | None] = mapped_column(BigInteger, default=None)
    """Microseconds since 1970, when it was done; strictly increasing in a request, since clients
    ask for what is later than the last they saw."""
    __table_args__ = (
        UniqueConstraint("request_id", "number"),
        Index("results_waiting", "request_id", "state", "number"),
        Index("results_key", "key"),
        Index("results_done", "request_id", "created"),
        Index("results_named", "request_id", "name"),
    )


class Leftover(Table):
    """An object that no request has any more, or not yet, until it is removed from the store."""

    __tablename__ = "leftovers"
    key: Mapped[str] = mapped_column(Words, primary_key=True)
    due: Mapped[float] = mapped_column(default=0.0)
    """When it is removed, unless a request has it by then."""
