"""Device requests that wait for approval, in SQLite: they survive a restart of the service.

Device codes are kept as SHA-256; a token is never kept, it is made when the terminal asks after
approval.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from sqlalchemy import create_engine, delete, func, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

LIFETIME = 600
"""Seconds in which a request must be approved (RFC 8628, section 3.2, ``expires_in``)."""
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628, section 6.1: no vowels, so no words; 20**8 codes."""
OPEN_REQUESTS = 500
"""More than any facility has at a time; further ones are refused."""
OPEN_PER_ADDRESS = 50
"""So many for one address, lest one machine keep all others out."""


class _Base(DeclarativeBase):
    pass


class Request(_Base):
    """One terminal that asks for a token."""

    __tablename__ = "requests"

    device: Mapped[str] = mapped_column(primary_key=True)
    """SHA-256 of the device code."""
    user_code: Mapped[str] = mapped_column(unique=True)
    """As shown, with hyphen."""
    client: Mapped[str]
    """What the terminal calls itself; nothing vouches for it."""
    address: Mapped[str]
    scopes: Mapped[str]
    """Short names, blank-separated."""
    token_seconds: Mapped[int]
    expires: Mapped[float]
    """Unix time."""
    polled: Mapped[float] = mapped_column(default=0.0)
    state: Mapped[str] = mapped_column(default="pending")
    """pending, approved, denied"""
    user: Mapped[str] = mapped_column(default="")


class Store:
    """The open requests.

    Parameters
    ----------
    path
        SQLite file; made if absent.
    """

    def __init__(self, path: Path) -> None:
        self._engine = create_engine(f"sqlite:///{path}")
        _Base.metadata.create_all(self._engine)

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            session.execute(delete(Request).where(Request.expires < time.time()))
            yield session

    def add(self, client: str, address: str, scopes: list[str], seconds: int) -> tuple[str, str]:
        """Store a request and return (device code, user code).

        Raises
        ------
        OverflowError
            Too many requests are open.
        """
        device = secrets.token_urlsafe(32)
        letters = "".join(secrets.choice(ALPHABET) for _ in range(8))
        code = f"{letters[:4]}-{letters[4:]}"
        every = select(func.count()).select_from(Request)
        here = every.where(Request.address == address)
        with self._session() as session:
            if (session.scalar(every) or 0) >= OPEN_REQUESTS or (
                session.scalar(here) or 0
            ) >= OPEN_PER_ADDRESS:
                raise OverflowError
            session.add(
                Request(
                    device=_digest(device),
                    user_code=code,
                    client=client,
                    address=address,
                    scopes=" ".join(scopes),
                    token_seconds=seconds,
                    expires=time.time() + LIFETIME,
                )
            )
        return device, code

    def pending(self, user_code: str) -> Request | None:
        """Return the request that shows ``user_code`` and waits, or None."""
        query = select(Request).where(Request.user_code == user_code, Request.state == "pending")
        with self._session() as session:
            return session.scalars(query).first()

    def decide(self, user_code: str, user: str, *, approve: bool) -> bool:
        """Approve or deny; returns whether such a request was still waiting."""
        change = (
            update(Request)
            .where(Request.user_code == user_code, Request.state == "pending")
            .values(state="approved" if approve else "denied", user=user)
            .returning(Request.device)
        )
        with self._session() as session:
            return session.scalars(change).first() is not None

    def poll(self, device: str) -> tuple[Request | None, float]:
        """Return the request of a device code, and the seconds since it was last asked for."""
        now = time.time()
        with self._session() as session:
            request = session.get(Request, _digest(device))
            if request is None:
                return None, 0.0
            since = now - request.polled
            request.polled = now
            return request, since

    def take(self, device: str) -> bool:
        """Remove a decided request; true for exactly one caller."""
        gone = (
            delete(Request)
            .where(Request.device == _digest(device), Request.state != "pending")
            .returning(Request.device)
        )
        with self._session() as session:
            return session.scalars(gone).first() is not None


def normal_code(typed: str) -> str:
    """Return what a person typed as it is stored: upper case, one hyphen."""
    letters = "".join(one for one in typed.upper() if one.isalpha())[:8]
    return f"{letters[:4]}-{letters[4:]}"


def _digest(code: str) -> str:
    return sha256(code.encode()).hexdigest()
