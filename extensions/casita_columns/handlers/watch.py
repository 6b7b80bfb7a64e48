"""One look at a user's requests for all pages that want to know."""

from __future__ import annotations

from casita.jupyter.section import ServiceWatch
from casita.jupyter.session import Session
from casita.offered import AsyncOffered
from casita_columns.client import AsyncColumns
from casita_columns.models import Overview, RequestState, Service

REQUESTS = 100
TROUBLE_MAX = 400
"""Characters."""


class ColumnsWatch(ServiceWatch[Overview]):
    """Looks at column delivery.

    Parameters
    ----------
    session
        With the facility.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session, "your requests for columns", Overview(), AsyncColumns)

    def is_busy(self, seen: Overview, since: float) -> bool:
        """Whether a request runs, or has just ended."""
        return any(not one.done or (one.finished or 0) > since for one in seen.requests)

    async def survey(self, service: AsyncOffered) -> Overview:
        """Return the service and the latest requests."""
        about = await service.ask(Service, "GET", "about")  # alone: it may have to get a token
        requests = await service.ask(
            list[RequestState], "GET", "requests", params={"limit": REQUESTS}
        )
        return Overview(service=about, requests=[brief(one) for one in requests])


def brief(request: RequestState) -> RequestState:
    """Return a request without what may be long, and what is asked for when it is opened."""
    return request.model_copy(update={"selection": "", "trouble": request.trouble[:TROUBLE_MAX]})
