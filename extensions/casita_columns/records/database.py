"""The database: its connections, and how transactions begin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.orm import Session

from casita_columns.records.tables import Table


def open_engine(url: str) -> Engine:
    """Return the database, with its tables made."""
    engine = create_engine(url, pool_pre_ping=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _careful)
        event.listen(engine, "begin", _begin)
    Table.metadata.create_all(engine)
    return engine


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

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()


def batches(items: Sequence[Any], size: int = 500) -> Iterator[Sequence[Any]]:
    """Yield items a few at a time: a statement takes so many parameters only."""
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]
