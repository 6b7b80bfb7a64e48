"""The service over HTTP: for terminals and kernels, and for event loops."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx

from casita.errors import CasitaError, MissingError
from casita.offered import About, AsyncOffered, Offered
from casita_columns.models import (
    DatasetState,
    Look,
    LookRequest,
    RequestDetails,
    RequestState,
    ResultFile,
    Service,
)

COLUMNS = About(
    name="columns",
    absent=MissingError(
        "this facility delivers no columns",
        hint="its operator has switched it off: backends.columns.enabled",
    ),
    down=CasitaError(
        "column delivery does not answer",
        hint="try again in a moment; if it stays down, `casita status` tells why",
    ),
)
FOLLOW = httpx.Timeout(60, read=40)
"""Seconds; a stream says something every 15."""


class Columns:
    """Column delivery of the facility that a session is with.

    Parameters
    ----------
    http
        Session with the facility.
    """

    def __init__(self, http: httpx.Client) -> None:
        self._service = Offered(http, COLUMNS)
        self._ask = self._service.ask

    def about(self) -> Service:
        """Return what the facility delivers, and what the user has."""
        return self._ask(Service, "GET", "about")

    def submit(self, body: dict[str, Any]) -> RequestState:
        """Ask for columns.

        Parameters
        ----------
        body
            ServiceX's ``TransformRequest``; ``fresh`` has files read that were read before.

        Raises
        ------
        ServiceError
            It is refused, with the reason.
        """
        return self._ask(RequestState, "POST", "requests", json=body)

    def requests(self, limit: int = 100) -> list[RequestState]:
        """Return the user's requests, the latest first."""
        return self._ask(list[RequestState], "GET", "requests", params={"limit": limit})

    def request(self, identifier: str) -> RequestDetails:
        """Return one request and what went wrong with its files.

        Raises
        ------
        MissingError
            The user has none of that name.
        """
        return self._ask(RequestDetails, "GET", f"requests/{identifier}")

    def files(self, identifier: str, after: int = 0) -> list[ResultFile]:
        """Return the files that were delivered after a time, by that time."""
        url = f"requests/{identifier}/files"
        return self._ask(list[ResultFile], "GET", url, params={"after": after})

    def follow(self, identifier: str) -> Iterator[RequestState]:
        """Yield a request whenever it has moved on, until it is done.

        A service that restarts is waited for by asking again: what is asked for goes on.

        Raises
        ------
        MissingError
            It is gone.
        ServiceError
            The service does not answer.
        """
        url = f"{COLUMNS.prefix}/requests/{identifier}/events"
        headers = self._service.headers()
        with self._service.http.stream("GET", url, headers=headers, timeout=FOLLOW) as answer:
            if answer.status_code != 200:
                answer.read()
                COLUMNS.read(answer, dict[str, Any])
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    yield RequestState.model_validate(json.loads(line.removeprefix("data: ")))

    def cancel(self, identifier: str) -> None:
        """Stop a request; what is delivered stays."""
        self._ask(type(None), "POST", f"requests/{identifier}/cancel")

    def again(self, identifier: str) -> RequestState:
        """Ask for the same once more, reading all files anew."""
        return self._ask(RequestState, "POST", f"requests/{identifier}/again")

    def delete(self, identifier: str) -> None:
        """Forget a request, and what it delivered."""
        self._ask(type(None), "DELETE", f"requests/{identifier}")

    def datasets(self) -> list[DatasetState]:
        """Return the user's datasets, the latest first."""
        return self._ask(list[DatasetState], "GET", "datasets")

    def forget_dataset(self, identifier: int) -> None:
        """Have a dataset looked up anew the next time."""
        self._ask(dict[str, Any], "DELETE", f"servicex/datasets/{identifier}")

    def look(self, what: LookRequest) -> Look:
        """Return which trees and columns the first file of a dataset has.

        Raises
        ------
        ServiceError
            It can't be found or read, with the reason.
        """
        return self._ask(Look, "POST", "look", json=what.model_dump())


class AsyncColumns(AsyncOffered):
    """The same for programs with an event loop; one method for all requests."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        super().__init__(http, COLUMNS)
