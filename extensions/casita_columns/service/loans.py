"""Files that users' own workers read: they take one, keep it while at it, and bring the result.

Whoever is not heard of for a while has lost what it took.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from casita.auth.verifier import StorageToken
from casita.errors import MissingError
from casita.serving import Refused
from casita_columns.records.tables import FATAL, Result
from casita_columns.records.tables import Request as RequestRow
from casita_columns.service.access import Access, covers, rights_of
from casita_columns.service.desk import Desk
from casita_columns.store.objects import Spool
from casita_columns.workers.pool import TaskError

CLUSTER = "cluster"
LEASE_SECONDS = 60.0
LINES_MAX = 40
NARROWER = (
    "it came with a token for a part of what its user may read, and the workers that were lent may "
    "read more: ask with a token for all"
)
Number = Annotated[int, Path(ge=0, lt=2**62)]


class Taken(BaseModel):
    """A file to read."""

    id: int
    attempt: int
    """Names this taking: another may have taken the file meanwhile."""
    codegen: str
    key: str
    """Hash of the query."""
    format: str
    selection: str
    replicas: list[str]
    lease: float = LEASE_SECONDS
    """Seconds in which it must be heard of."""
    memory: int
    """Bytes; what the child may use, as the next three."""
    cpu: int
    output: int
    seconds: float
    sandbox: str


class Trouble(BaseModel):
    """Why a file was not read."""

    kind: str = Field(max_length=20)
    message: str = Field(max_length=4000)
    lines: list[str] = Field(default_factory=list, max_length=LINES_MAX)
    retry: bool = False


class Kept(BaseModel):
    """Whether a file still is whose it was."""

    kept: bool


def add_loans(app: FastAPI, prefix: str, access: Access, desk: Desk) -> None:
    """Add the routes below ``prefix``."""
    user = Depends(access.caller)
    base = f"{prefix}/loans"

    def held(
        identifier: Number, attempt: Annotated[int, Query(ge=0)], caller: StorageToken = user
    ) -> tuple[RequestRow, Result]:
        result = desk.records.taken(identifier)
        request = desk.records.known(result.request_id) if result else None
        if result is None or request is None or request.owner != caller.user:
            raise MissingError("you have taken no such file")
        if result.attempts != attempt or request.executor != CLUSTER:
            raise MissingError("somebody else has taken it")
        return request, result

    _add_taking(app, base, desk, user, Depends(held))
    _add_bringing(app, base, desk, Depends(held))


def _add_taking(app: FastAPI, base: str, desk: Desk, user: Any, mine: Any) -> None:
    @app.post(base, response_model=Taken)
    def take(caller: StorageToken = user) -> Any:
        """Take the next file of the caller's requests; 204 if there is none."""
        while (result := desk.records.take_of(caller.user, CLUSTER, LEASE_SECONDS)) is not None:
            request = desk.records.known(result.request_id)
            if request is None:
                break
            if not desk.settings.reads_for or covers(request.reads, rights_of(caller).reads):
                return _taken(desk, request, result)
            # What the request may not read, the worker could read for it.
            desk.records.set_state(request.id, FATAL, NARROWER)
            desk.bell.ring(request.owner)
        return Response(status_code=204)

    @app.post(f"{base}/{{identifier}}/keep")
    def keep(found: tuple[RequestRow, Result] = mine) -> Kept:
        """Say that one is still at a file."""
        return Kept(kept=desk.records.keep_taken(found[1].id, LEASE_SECONDS))


def _add_bringing(app: FastAPI, base: str, desk: Desk, mine: Any) -> None:
    @app.post(f"{base}/{{identifier}}/failed", status_code=204)
    def failed(body: Trouble, found: tuple[RequestRow, Result] = mine) -> None:
        """Say that a file could not be read."""
        error = TaskError(body.kind, body.message, body.lines, retry=body.retry)
        desk.work.failed(*found, error)

    @app.put(f"{base}/{{identifier}}")
    async def bring(
        request: Request,
        events: Annotated[int, Query(ge=0, lt=2**62)],
        events_in: Annotated[int, Query(ge=0, lt=2**62)] = 0,
        bytes_in: Annotated[int, Query(ge=0, lt=2**62)] = 0,
        seconds: Annotated[float, Query(ge=0, lt=1e9)] = 0,
        found: tuple[RequestRow, Result] = mine,
    ) -> Kept:
        """Bring the result, as the body."""
        spool = await run_in_threadpool(desk.objects.spool)
        try:
            await _fill(spool, request.stream(), desk.settings.columns.output)
        except BaseException:
            desk.objects.discard(spool)
            raise
        done = {"events": events, "events_in": events_in, "bytes_in": bytes_in}
        wanted = await run_in_threadpool(
            desk.work.deliver, *found, spool, {**done, "seconds": seconds}
        )
        return Kept(kept=wanted)


def _taken(desk: Desk, request: RequestRow, result: Result) -> Taken:
    columns = desk.settings.columns
    return Taken(
        id=result.id,
        attempt=result.attempts,
        codegen=request.codegen,
        key=request.query,
        format=request.form,
        selection=request.selection,
        replicas=result.paths.split("\n"),
        memory=columns.memory,
        cpu=int(columns.cpu_time),
        output=columns.output,
        seconds=float(columns.file_time),
        sandbox=columns.sandbox,
    )


async def _fill(spool: Spool, stream: AsyncIterator[bytes], limit: int) -> None:
    size = 0
    async for part in stream:
        size += len(part)
        if size > limit:
            raise Refused(413, "too_large", f"a result holds at most {limit} bytes here")
        await run_in_threadpool(_write, spool.fd, part)


def _write(handle: int, part: bytes) -> None:
    left = memoryview(part)
    while left:
        left = left[os.write(handle, left) :]
