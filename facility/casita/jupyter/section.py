"""What sections of the Facility panel have in common: a look for all pages, and a service asked."""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from casita.errors import CasitaError, LoginError, MissingError
from casita.jupyter.handlers import JsonHandler
from casita.jupyter.models import Problem, SectionState, ServiceSectionState
from casita.jupyter.session import Session
from casita.jupyter.watch import Watch
from casita.offered import Answer, AsyncOffered

logger = logging.getLogger(__name__)
Shown = TypeVar("Shown", bound=SectionState)
OfService = TypeVar("OfService", bound=ServiceSectionState)
RUNNING_SECONDS = 1.0
"""Between two looks while the service works for the user."""
SHOWN_SECONDS = 5.0
SETTLING_SECONDS = 5.0
"""So long after the end of work its results may still be counted."""
ABSENT_SECONDS = 60.0
"""Where the facility has no such service, which its operator changes by a restart."""


class SectionWatch(Watch[Shown]):
    """Looks at a part of the facility; if that can't be done, tells why, and what was last known.

    Parameters
    ----------
    session
        With the facility.
    subject
        What is looked at, for messages, e.g. ``"your clusters"``.
    unknown
        What is shown before anything is known.
    """

    def __init__(self, session: Session, subject: str, unknown: Shown) -> None:
        super().__init__()
        self.session = session
        self.subject = subject
        self.unknown = unknown

    @abstractmethod
    async def ask(self) -> Shown:
        """Return all that the section shows.

        Raises
        ------
        CasitaError
            The facility can't be asked.
        """

    async def look(self) -> Shown:
        """Return all that the section shows; if nobody can be asked, what was last known."""
        try:
            return await self.ask()
        except CasitaError as error:
            if isinstance(error, LoginError):
                self.session.renew()  # perhaps somebody logs in meanwhile
            problem = Problem(message=error.message, hint=error.hint)
        except Exception:
            logger.exception("can't look at %s", self.subject)
            problem = Problem(
                message=f"{self.subject} can't be looked at",
                hint="the log of your Jupyter server says why",
            )
        return (self.seen or self.unknown).model_copy(update={"problem": problem})


class ServiceWatch(SectionWatch[OfService]):
    """Looks, while somebody follows, at a backend's service, which a facility need not have.

    Parameters
    ----------
    session, subject, unknown
        As for every section.
    client
        Makes the service's client of a session with the facility.
    """

    def __init__(
        self,
        session: Session,
        subject: str,
        unknown: OfService,
        client: Callable[[httpx.AsyncClient], AsyncOffered],
    ) -> None:
        super().__init__(session, subject, unknown)
        self._client = client
        self._service: AsyncOffered | None = None

    async def service(self) -> AsyncOffered:
        """Return the client, which keeps its storage token as long as the session lasts.

        Raises
        ------
        LoginError
            There is no facility, or the login has expired.
        """
        _, http = await self.session.open()
        if self._service is None or self._service.http is not http:
            self._service = self._client(http)
        return self._service

    @abstractmethod
    async def survey(self, service: AsyncOffered) -> OfService:
        """Return all that the section shows."""

    @abstractmethod
    def is_busy(self, seen: OfService, since: float) -> bool:
        """Whether the service works for the user, or did so after ``since`` (Unix time)."""

    async def ask(self) -> OfService:
        """Return what the service says, or that there is none."""
        try:
            return await self.survey(await self.service())
        except MissingError:
            return self.unknown.model_copy(update={"configured": False})

    async def run(self) -> None:
        """Look from the first follower on: many servers never show the panel."""
        await self._wake.wait()
        await super().run()

    def pause(self) -> float | None:
        """Look only while somebody watches, and oftener while the service works."""
        if not self.followers:
            return None
        if self.seen is None or not self.seen.configured:
            return ABSENT_SECONDS if self.seen else SHOWN_SECONDS
        busy = self.is_busy(self.seen, time.time() - SETTLING_SECONDS)
        return RUNNING_SECONDS if busy else SHOWN_SECONDS


class ServiceHandler(JsonHandler):
    """Asks a backend's service; thin, the work is the service's."""

    def initialize(self, watch: ServiceWatch[Any]) -> None:
        """Take the watch, whose client all handlers share."""
        self.watch = watch

    async def ask(self, kind: type[Answer], method: str, path: str, **more: Any) -> Answer:
        """Return the service's answer, see :meth:`casita.offered.Offered.ask`."""
        return await (await self.watch.service()).ask(kind, method, path, **more)

    async def change(self, kind: type[Answer], method: str, path: str, **more: Any) -> Answer:
        """Have the service do something; everybody will see it at once."""
        answer = await self.ask(kind, method, path, **more)
        self.watch.hurry()
        return answer

    async def end(self, method: str, path: str) -> None:
        """Have the service end something, and answer that it has."""
        await self.change(type(None), method, path)
        self.reply_nothing()
