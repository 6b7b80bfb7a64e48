"""One look at a user's requests for all pages that want to know."""

from __future__ import annotations

import logging
import time

import httpx

from casita.errors import CasitaError, LoginError, MissingError
from casita.jupyter.session import Session
from casita.jupyter.watch import Watch
from casita_columns.client import AsyncColumns
from casita_columns.models import Overview, Problem, RequestState, Service

logger = logging.getLogger(__name__)
RUNNING_SECONDS = 1.0
"""Between two looks while a request runs."""
SHOWN_SECONDS = 5.0
SETTLING_SECONDS = 5.0
"""So long after a request's end its results may still be counted."""
ABSENT_SECONDS = 60.0
"""Where the facility delivers no columns, which its operator changes by a restart."""
REQUESTS = 100
TROUBLE_MAX = 400
"""Characters."""


class ColumnsWatch(Watch[Overview]):
    """Looks at column delivery.

    Parameters
    ----------
    session
        With the facility.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._columns: tuple[httpx.AsyncClient, AsyncColumns] | None = None

    async def columns(self) -> AsyncColumns:
        """Return the client, which keeps its storage token as long as the session lasts.

        Raises
        ------
        LoginError
            There is no facility, or the login has expired.
        """
        _, http = await self._session.open()
        if self._columns is None or self._columns[0] is not http:
            self._columns = http, AsyncColumns(http)
        return self._columns[1]

    async def run(self) -> None:
        """Look from the first follower on: many servers never show the panel."""
        await self._wake.wait()
        await super().run()

    def pause(self) -> float | None:
        """Look only while somebody watches, and oftener while a request runs."""
        if not self.followers:
            return None
        if self.seen is None or not self.seen.configured:
            return ABSENT_SECONDS if self.seen else SHOWN_SECONDS
        since = time.time() - SETTLING_SECONDS
        busy = any(not one.done or (one.finished or 0) > since for one in self.seen.requests)
        return RUNNING_SECONDS if busy else SHOWN_SECONDS

    async def look(self) -> Overview:
        """Return all that the panel shows; if the service can't be asked, what was last known."""
        try:
            return await self._ask()
        except MissingError:
            return Overview(configured=False)
        except LoginError as error:
            self._session.renew()  # perhaps somebody logs in meanwhile
            return self._last_known(Problem(message=error.message, hint=error.hint))
        except CasitaError as error:
            return self._last_known(Problem(message=error.message, hint=error.hint))
        except Exception:
            logger.exception("can't look at column delivery")
            return self._last_known(
                Problem(
                    message="your requests for columns can't be looked at",
                    hint="the log of your Jupyter server says why",
                )
            )

    async def _ask(self) -> Overview:
        columns = await self.columns()
        service = await columns.ask(Service, "GET", "about")  # alone: it may have to get a token
        requests = await columns.ask(
            list[RequestState], "GET", "requests", params={"limit": REQUESTS}
        )
        return Overview(service=service, requests=[brief(one) for one in requests])

    def _last_known(self, problem: Problem) -> Overview:
        return (self.seen or Overview()).model_copy(update={"problem": problem})


def brief(request: RequestState) -> RequestState:
    """Return a request without what may be long, and what is asked for when it is opened."""
    return request.model_copy(update={"selection": "", "trouble": request.trouble[:TROUBLE_MAX]})
