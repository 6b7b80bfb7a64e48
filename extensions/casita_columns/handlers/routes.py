"""Routes below ``/casita/columns``: thin, the work is the service's."""

from __future__ import annotations

from typing import Any

import httpx

from casita.jupyter.handlers import BodyError, JsonHandler, allowed
from casita_columns.handlers.watch import ColumnsWatch
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


class _Handler(JsonHandler):
    def initialize(self, watch: ColumnsWatch) -> None:
        """Take what all handlers share."""
        self.watch = watch

    async def change(self, method: str, path: str, **more: Any) -> RequestState:
        """Have the service begin something; everybody will see it at once."""
        columns = await self.watch.columns()
        made = await columns.ask(RequestState, method, path, **more)
        self.watch.hurry()
        return made

    async def end(self, method: str, path: str) -> None:
        """Have the service end something, and answer that it has."""
        await (await self.watch.columns()).ask(type(None), method, path)
        self.watch.hurry()
        self.reply_nothing()


class All(_Handler):
    """``columns``."""

    @allowed
    async def get(self) -> None:
        """Tell of the service and of the latest requests."""
        self.reply(await self.watch.fresh())


class Requests(_Handler):
    """``columns/requests``."""

    @allowed
    async def post(self) -> None:
        """Ask for columns."""
        asked = self.body(NewRequest)
        if bool(asked.did) == bool(asked.files):
            raise BodyError("did, files: name a dataset or files")
        self.reply(await self.change("POST", "requests", json=submission(asked)), 201)


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


class Request(_Handler):
    """``columns/requests/ID``."""

    @allowed
    async def get(self, identifier: str) -> None:
        """Tell of one: its query, and what went wrong with its files."""
        columns = await self.watch.columns()
        self.reply(await columns.ask(RequestDetails, "GET", f"requests/{identifier}"))

    @allowed
    async def delete(self, identifier: str) -> None:
        """Forget one, and what it delivered."""
        await self.end("DELETE", f"requests/{identifier}")


class Cancel(_Handler):
    """``columns/requests/ID/cancel``."""

    @allowed
    async def post(self, identifier: str) -> None:
        """Stop one; what it has delivered stays."""
        await self.end("POST", f"requests/{identifier}/cancel")


class Again(_Handler):
    """``columns/requests/ID/again``."""

    @allowed
    async def post(self, identifier: str) -> None:
        """Ask for the same once more, and have all files read anew."""
        self.reply(await self.change("POST", f"requests/{identifier}/again"), 201)


class Datasets(_Handler):
    """``columns/datasets``."""

    @allowed
    async def get(self) -> None:
        """List the user's datasets, the latest first."""
        columns = await self.watch.columns()
        self.reply(await columns.ask(list[DatasetState], "GET", "datasets"))


class Dataset(_Handler):
    """``columns/datasets/ID``."""

    @allowed
    async def delete(self, identifier: str) -> None:
        """Have one looked up anew the next time."""
        columns = await self.watch.columns()
        await columns.ask(dict[str, Any], "DELETE", f"servicex/datasets/{identifier}")
        self.reply_nothing()


class LookAt(_Handler):
    """``columns/look``."""

    @allowed
    async def post(self) -> None:
        """Tell which trees and columns a dataset's first file has."""
        asked = self.body(LookRequest)
        if bool(asked.did) == bool(asked.files):
            raise BodyError("did, files: name a dataset or files")
        columns = await self.watch.columns()
        body = asked.model_dump()
        found = await columns.ask(Look, "POST", "look", json=body, timeout=LOOK_TIMEOUT)
        self.reply(found)
