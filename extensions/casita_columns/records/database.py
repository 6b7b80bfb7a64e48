"""The database: its connections, and how transactions begin."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import create_engine, event, inspect, select
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import (
    ArgumentError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    TimeoutError,
)
from sqlalchemy.orm import Session

from casita.errors import ConfigError, ServiceError
from casita_columns.records.tables import Table

logger = logging.getLogger("casita.columns")
AWAY = (OperationalError, InterfaceError, TimeoutError)
"""A full disk, a lock that is held, a server that is away: nothing was changed."""
PATIENT = {"connect_timeout": "10", "tcp_user_timeout": "20000"}
"""So long (s, ms) a server of PostgreSQL may say nothing, unless the URL says otherwise."""
WRITERS = 0xCA517A
"""The lock that who writes into PostgreSQL holds."""


def open_engine(url: str, patience: float = 0) -> Engine:
    """Return the database, with its tables made.

    Parameters
    ----------
    patience
        Seconds for which one that does not answer is waited for.

    Raises
    ------
    ConfigError
        The URL is none, its driver is not installed, or its tables are an older version's.
    ServiceError
        The database does not answer.
    """
    engine = _engine(url)
    until = time.monotonic() + patience
    while True:
        try:
            Table.metadata.create_all(engine)
            _refuse_older(engine)
            return engine
        except AWAY as error:
            said = str(error.__cause__ or error).partition("\n")[0]
            if time.monotonic() >= until:
                raise ServiceError(
                    f"the database does not answer: {said}", hint="see backends.columns.database"
                ) from None
            logger.warning("the database does not answer yet: %s", said)
            time.sleep(1)


def _refuse_older(engine: Engine) -> None:
    there = inspect(engine)
    for table in Table.metadata.sorted_tables:
        columns = {one["name"] for one in there.get_columns(table.name)}
        if missing := set(table.columns.keys()) - columns:
            raise ConfigError(
                f"the database of column delivery is an older version's: {table.name} has no "
                f"{min(missing)}",
                hint="move it away (SQLite: columns.sqlite in the state directory) and restart "
                "columns; requests of before are forgotten",
            )


def _engine(given: str) -> Engine:
    try:
        url = make_url(given)
        if url.get_backend_name() == "postgresql":
            url = _patient(url)
        engine = create_engine(url, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError):
        raise ConfigError(
            "backends.columns.database: this is no URL of a database that SQLAlchemy knows",
            hint="e.g. postgresql+psycopg://casita@db.example.org/casita",
        ) from None
    except ImportError as error:
        raise ConfigError(
            f"backends.columns.database: {error}",
            hint="pip install 'casita[postgresql]' into the facility's environment",
        ) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _careful)
        event.listen(engine, "begin", _begin)
    else:
        event.listen(engine, "begin", _queue)
    return engine


def _patient(url: URL) -> URL:
    return url.update_query_dict({**PATIENT, **url.query})


def _careful(connection: Any, record: Any) -> None:
    """Let readers not wait for writers, and writers for each other; keep references true."""
    connection.isolation_level = None  # transactions begin as _begin says
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    """Let who is going to write hold the lock from the start: it could not be had in between."""
    writing = connection.get_execution_options().get("writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _queue(connection: Connection) -> None:
    """Let writers come one after another, as SQLite does: what they read stays true meanwhile."""
    if connection.get_execution_options().get("writing"):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS})")


class Database:
    """Gives sessions, each of them one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        engine = self._engine.execution_options(writing=True)
        with Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    def ping(self) -> None:
        """Raise one of ``AWAY`` if the database does not answer."""
        with self._reading() as session:
            session.execute(select(1))

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()


def batches(items: Sequence[Any], size: int = 500) -> Iterator[Sequence[Any]]:
    """Yield items a few at a time: a statement takes so many parameters only."""
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]
