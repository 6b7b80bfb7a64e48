"""Routes below ``/casita/columns``: thin, the work is the service's."""

from __future__ import annotations

from typing import Any

import httpx

from casita.jupyter.handlers import BodyError, allowed
from casita.jupyter.section import ServiceHandler
from casita_columns.models import (
    DatasetState,
    Look,
    LookRequest,
    NewRequest,
    RequestDetails,
    RequestState,
)

LOOK_TIMEOUT = httpx.Timeout(300, connect=10)
"""Seconds; finders ask catalogues, and the first file may be far away."""


class Requests(ServiceHandler):
    """``columns/requests``."""

    @allowed
    async def post(self) -> None:
        """Ask for columns."""
        asked = self.body(NewRequest)
        if bool(asked.did) == bool(asked.files):
            raise BodyError("did, files: name a dataset or files")
        made = await self.change(RequestState, "POST", "requests", json=submission(asked))
        self.reply(made, 201)


def submission(asked: NewRequest) -> dict[str, Any]:
    """Return a request in ServiceX's form."""
    body: dict[str, Any] = {
        "title": asked.title,
        "selection": asked.selection,
        "codegen": asked.codegen,
        "result-destination": "object-store",
        "result-format": asked.format,
    }
    return body | ({"did": asked.did} if asked.did else {"file-list": asked.files})


class Request(ServiceHandler):
    """``columns/requests/ID``."""

    @allowed
    async def get(self, identifier: str) -> None:
        """Tell of one: its query, and what went wrong with its files."""
        self.reply(await self.ask(RequestDetails, "GET", f"requests/{identifier}"))

    @allowed
    async def delete(self, identifier: str) -> None:
        """Forget one, and what it delivered."""
        await self.end("DELETE", f"requests/{identifier}")


class Cancel(ServiceHandler):
    """``columns/requests/ID/cancel``."""

    @allowed
    async def post(self, identifier: str) -> None:
        """Stop one; what it has delivered stays."""
        await self.end("POST", f"requests/{identifier}/cancel")


class Again(ServiceHandler):
    """``columns/requests/ID/again``."""

    @allowed
    async def post(self, identifier: str) -> None:
        """Ask for the same once more, and have all files read anew."""
        self.reply(await self.change(RequestState, "POST", f"requests/{identifier}/again"), 201)


class Datasets(ServiceHandler):
    """``columns/datasets``."""

    @allowed
    async def get(self) -> None:
        """List the user's datasets, the latest first."""
        self.reply(await self.ask(list[DatasetState], "GET", "datasets"))


class Dataset(ServiceHandler):
    """``columns/datasets/ID``."""

    @allowed
    async def delete(self, identifier: str) -> None:
        """Have one looked up anew the next time."""
        await self.ask(dict[str, Any], "DELETE", f"servicex/datasets/{identifier}")
        self.reply_nothing()


class LookAt(ServiceHandler):
    """``columns/look``."""

    @allowed
    async def post(self) -> None:
        """Tell which trees and columns a dataset's first file has."""
        asked = self.body(LookRequest)
        if bool(asked.did) == bool(asked.files):
            raise BodyError("did, files: name a dataset or files")
        body = asked.model_dump()
        self.reply(await self.ask(Look, "POST", "look", json=body, timeout=LOOK_TIMEOUT))
