"""Our own routes: what ServiceX's don't tell, for the panel, the terminal and ``deliver``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path, Query, Response
from fastapi.responses import StreamingResponse

from casita import __version__
from casita.auth.verifier import StorageToken
from casita_columns.models import (
    DONE,
    Codegen,
    DatasetState,
    FileFailure,
    Look,
    LookRequest,
    RequestDetails,
    RequestState,
    ResultFile,
    Service,
)
from casita_columns.records.tables import FAILURE, SUCCESS, Dataset, Request, Result, now
from casita_columns.service.access import Access
from casita_columns.service.desk import Desk
from casita_columns.service.streamed import streamed
from casita_columns.store.links import Links
from casita_columns.wire import Submission
from casita_columns.workers.codegens import TITLES

FAILURES_MAX = 100
BEAT_SECONDS = 15.0
"""A stream says something at least so often, so that nobody on the way gives it up."""
GATHER_SECONDS = 0.1
"""News is told at once, but not oftener."""
Identifier = Annotated[str, Path(max_length=100)]


def add_api(app: FastAPI, prefix: str, access: Access, desk: Desk, links: Links) -> None:
    """Add them below ``prefix``."""
    user = Depends(access.caller)
    _add_looking(app, prefix, desk, user)
    _add_requests(app, prefix, desk, links, user)
    _add_changes(app, prefix, desk, user)
    _add_events(app, prefix, desk, user)


def _add_looking(app: FastAPI, prefix: str, desk: Desk, user: Any) -> None:
    @app.get(f"{prefix}/about")
    def about(caller: StorageToken = user) -> Service:
        """Tell what this facility delivers, and what the caller has."""
        settings = desk.settings
        return Service(
            version=__version__,
            codegens=[
                Codegen(
                    name=name,
                    title=TITLES.get(name, name),
                    where="here" if name in desk.codegens.here else _upstream(desk),
                )
                for name in desk.images
            ],
            finders=sorted(desk.lookup.finders),
            workers=desk.workers,
            executor=settings.columns.executor,
            confined=desk.confined,
            usage=desk.records.usage(caller.user),
            quota=settings.columns.quota,
            keep=settings.columns.keep,
            url=settings.url,
        )

    @app.post(f"{prefix}/look")
    async def look(body: LookRequest, caller: StorageToken = user) -> Look:
        """Tell which trees and columns the first file of a dataset has."""
        return await desk.turns.take(caller.user, desk.looking.look, body, caller)

    @app.get(f"{prefix}/datasets")
    def datasets(caller: StorageToken = user) -> list[DatasetState]:
        """List the caller's datasets, the latest first."""
        return [dataset_state(one) for one in reversed(desk.records.datasets(caller.user))]


def _upstream(desk: Desk) -> str:
    upstream = desk.settings.columns.upstream
    return upstream.url if upstream else ""


def _add_requests(app: FastAPI, prefix: str, desk: Desk, links: Links, user: Any) -> None:
    @app.get(f"{prefix}/requests")
    def requests(
        limit: Annotated[int, Query(ge=1, le=1000)] = 100, caller: StorageToken = user
    ) -> list[RequestState]:
        """List the caller's requests, the latest first."""
        return [request_state(one) for one in desk.records.requests(caller.user, limit)]

    @app.get(f"{prefix}/requests/{{identifier}}")
    def request(identifier: Identifier, caller: StorageToken = user) -> RequestDetails:
        """Tell of one request, and what went wrong with its files."""
        found = desk.records.request(caller.user, identifier)
        failed = desk.records.results(identifier, FAILURE, FAILURES_MAX)
        failures = [file_failure(one) for one in failed]
        return RequestDetails(**request_state(found).model_dump(), failures=failures)

    @app.get(f"{prefix}/requests/{{identifier}}/files", response_model=list[ResultFile])
    def files(
        identifier: Identifier,
        after: Annotated[int, Query(ge=0, lt=2**62)] = 0,
        caller: StorageToken = user,
    ) -> Response:
        """List the files that were delivered ``after`` a time (``created``), in that order."""
        found = desk.records.request(caller.user, identifier)
        pages = desk.records.pages_after(identifier, after)
        files = (
            [_file(one, found, links).model_dump_json() for one in page if one.state == SUCCESS]
            for page in pages
        )
        return streamed("[", files, "]")


def _file(one: Result, request: Request, links: Links) -> ResultFile:
    name = one.name or ""
    return ResultFile(
        number=one.number,
        path=one.paths.partition("\n")[0],
        name=name,
        size=one.size,
        events=one.events,
        created=one.created or 0,
        url=links.signed(request.id, name)[0],
    )


def _add_changes(app: FastAPI, prefix: str, desk: Desk, user: Any) -> None:
    @app.post(f"{prefix}/requests", status_code=201)
    async def submit(body: Submission, caller: StorageToken = user) -> RequestState:
        """Ask for columns, as at ``/servicex/transformation``."""
        return request_state(await desk.turns.take(caller.user, desk.submit, body, caller))

    @app.post(f"{prefix}/requests/{{identifier}}/cancel", status_code=204)
    def cancel(identifier: Identifier, caller: StorageToken = user) -> None:
        """Stop a request; what is delivered stays."""
        desk.cancel(identifier, caller)

    @app.post(f"{prefix}/requests/{{identifier}}/again", status_code=201)
    async def again(identifier: Identifier, caller: StorageToken = user) -> RequestState:
        """Ask for the same once more, and have all files read anew."""
        return request_state(await desk.turns.take(caller.user, desk.again, identifier, caller))

    @app.delete(f"{prefix}/requests/{{identifier}}", status_code=204)
    def delete(identifier: Identifier, caller: StorageToken = user) -> None:
        """Forget a request, and what it delivered."""
        desk.delete(identifier, caller)


def _add_events(app: FastAPI, prefix: str, desk: Desk, user: Any) -> None:
    @app.get(f"{prefix}/requests/{{identifier}}/events", response_class=StreamingResponse)
    async def events(identifier: Identifier, caller: StorageToken = user) -> StreamingResponse:
        """Tell how far a request is, until it is done, whenever that changes (event stream)."""
        await asyncio.to_thread(desk.records.request, caller.user, identifier)
        return StreamingResponse(
            _followed(desk, caller.user, identifier),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )


async def _followed(desk: Desk, user: str, identifier: str) -> AsyncIterator[str]:
    heard, last = desk.bell.listen(user), ""
    try:
        while True:
            looked = time.monotonic()
            heard.clear()
            found = await asyncio.to_thread(desk.records.known, identifier)
            if found is None:
                return
            state = request_state(found)
            text = state.model_dump_json()
            if text != last:
                last = text
                yield f"event: request\ndata: {text}\n\n"
            if state.state in DONE:
                return
            try:
                await asyncio.wait_for(heard.wait(), BEAT_SECONDS)
                await asyncio.sleep(looked + GATHER_SECONDS - time.monotonic())
            except TimeoutError:
                yield ": beat\n\n"
    finally:
        desk.bell.leave(user, heard)


# ---- from tables to models


def request_state(one: Request) -> RequestState:
    """Return a request as it is told of."""
    seconds = (one.finished or now()) - one.started if one.started else 0
    return RequestState.model_validate(
        {
            "id": one.id,
            "title": one.title or "",
            "did": one.did,
            "dataset_id": one.dataset_id,
            "codegen": one.codegen,
            "format": one.form,
            "destination": one.destination,
            "selection": one.selection,
            "state": one.state,
            "trouble": one.trouble,
            "files": one.files,
            "completed": one.completed,
            "failed": one.failed,
            "events": one.events,
            "events_in": one.events_in,
            "size": one.size,
            "bytes_in": one.bytes_in,
            "rate": one.events_in / seconds if seconds > 0 and not one.source else 0.0,
            "submitted": one.submitted,
            "started": one.started,
            "finished": one.finished,
            "cached": bool(one.source),
            "executor": one.executor,
        }
    )


def file_failure(one: Result) -> FileFailure:
    """Return a failure as it is told of."""
    message, *lines = one.trouble.split("\n")
    path = one.paths.partition("\n")[0]
    return FileFailure(
        number=one.number, path=path, message=message, lines=lines, attempts=one.attempts
    )


def dataset_state(one: Dataset) -> DatasetState:
    """Return a dataset as it is told of."""
    return DatasetState(
        id=one.id,
        name=one.name,
        finder=one.finder,
        did=one.asked,
        files=one.files,
        size=one.size,
        events=one.events,
        state=one.state,
        trouble=one.trouble,
        used=one.used,
        updated=one.updated,
    )
