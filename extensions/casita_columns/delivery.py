"""One delivery: submit, follow, fetch what is there, tell how it goes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx

from casita.errors import CasitaError, ServiceError
from casita_columns.client import Columns
from casita_columns.delivered import Delivered, Downloads
from casita_columns.models import RequestState, ResultFile

PATIENCE = 120.0
"""Seconds for which a service that does not answer is waited for."""
PAUSE = 1.0


class IncompleteError(CasitaError):
    """Not all files of a request were delivered.

    ``delivered`` holds those that were, by sample.
    """

    def __init__(self, message: str, hint: str, delivered: Mapping[str, Delivered]) -> None:
        super().__init__(message, hint=hint)
        self.delivered = dict(delivered)


class Display(Protocol):
    """Shows how deliveries go."""

    def show(self, request: RequestState, fetched: int) -> None:
        """Show a request, and how many of its files have been fetched."""
        ...

    def end(self) -> None:
        """Show nothing more."""
        ...


@dataclass
class Delivery:
    """One sample that is under way."""

    request: RequestState
    files: list[ResultFile] = field(default_factory=list)
    fetched: int = 0

    @property
    def last(self) -> int:
        """When the last file that is known was there."""
        return max((one.created for one in self.files), default=0)


class Follower:
    """Follows one request to its end and fetches its files.

    Parameters
    ----------
    folder
        In which the request's files get a folder of their own.
    """

    def __init__(
        self, http: httpx.Client, request: RequestState, folder: Path, display: Display
    ) -> None:
        self._columns = Columns(http)
        self.delivery = Delivery(request)
        self.folder = folder / request.id
        self._display = display
        self._downloads = Downloads(http, self.folder, self._fetched)

    def run(self) -> Delivered:
        """Return what was delivered, once nothing more will come.

        Raises
        ------
        CasitaError
            A file can't be fetched, the request is gone, or the service stays away.
        """
        try:
            self._follow()
            self._look_for_files()
            self._downloads.wait()
        finally:
            self._downloads.stop()
        self._show()
        return Delivered(self.delivery.request, self.delivery.files, self.folder)

    def _follow(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self.delivery.request.done:
            try:
                for state in self._columns.follow(self.delivery.request.id):
                    self._moved(state)
                    deadline = time.monotonic() + PATIENCE
            except (ServiceError, httpx.HTTPError) as error:
                if time.monotonic() > deadline:
                    raise ServiceError(
                        f"column delivery does not answer: {error}",
                        hint="what you asked for goes on: `casita columns get "
                        f"{self.delivery.request.id}` fetches it",
                    ) from error
                time.sleep(PAUSE)

    def _moved(self, state: RequestState) -> None:
        more = state.completed > len(self.delivery.files)
        self.delivery.request = state
        self._show()
        if more:
            self._look_for_files()

    def _look_for_files(self) -> None:
        request = self.delivery.request
        if len(self.delivery.files) >= request.completed:
            return
        for one in self._columns.files(request.id, self.delivery.last):
            self.delivery.files.append(one)
            self._downloads.add(one)

    def _fetched(self, file: ResultFile) -> None:
        self.delivery.fetched += 1
        self._show()

    def _show(self) -> None:
        self._display.show(self.delivery.request, self.delivery.fetched)


def trouble_of(columns: Columns, requests: Sequence[RequestState]) -> tuple[str, str]:
    """Return what to tell of requests that did not deliver all, and a hint; or two ""."""
    for one in requests:
        if one.state == "Complete" and not one.failed:
            continue
        details = columns.request(one.id)
        name = one.title or one.id
        hint = f"`casita columns show {one.id}` tells more"
        if one.state == "Complete":
            first = details.failures[0] if details.failures else None
            why = f", the first of them {first.path}: {first.message}" if first else ""
            return f"{name}: {one.failed} of {one.files} files were not delivered{why}", hint
        if one.state == "Canceled":
            return f"{name}: it was cancelled", hint
        return f"{name}: {details.trouble or one.state}", hint
    return "", ""


def submitted(columns: Columns, bodies: Sequence[dict[str, Any]]) -> list[RequestState]:
    """Submit requests; if one is refused, those before it are cancelled.

    Raises
    ------
    CasitaError
        One is refused; its sample is named.
    """
    made: list[RequestState] = []
    for body in bodies:
        try:
            made.append(columns.submit(body))
        except CasitaError as error:
            for one in made:
                if not one.done:
                    columns.cancel(one.id)
            raise ServiceError(f"{body.get('title')}: {error.message}", hint=error.hint) from None
    return made
