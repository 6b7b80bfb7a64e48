"""The routes of ServiceX, as its official client and command line call them."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path, Query, Request, Response
from fastapi.responses import HTMLResponse

from casita.auth.verifier import StorageToken
from casita.errors import MissingError
from casita.serving import Refused
from casita_columns import wire
from casita_columns.records.database import batches
from casita_columns.records.tables import FAILURE
from casita_columns.service.access import Access
from casita_columns.service.desk import Desk
from casita_columns.service.pages import SHOWN, results_page
from casita_columns.service.streamed import named, streamed
from casita_columns.store.links import Links

Number = Annotated[int, Path(ge=0, lt=2**62)]
Identifier = Annotated[str, Path(max_length=100)]


def add_rest(app: FastAPI, prefix: str, access: Access, desk: Desk, links: Links) -> None:
    """Add them below ``prefix``."""
    user = Depends(access.caller)
    _add_service(app, prefix, access, desk, user)
    # Before /transformation/{id}, which would take its name for a request's.
    _add_file_urls(app, prefix, desk, links, user)
    _add_transformations(app, prefix, desk, links, user)
    _add_results(app, prefix, desk, user)
    _add_endings(app, prefix, desk, user)
    _add_datasets(app, prefix, desk, user)
    _add_page(app, prefix, desk, links)


def _add_service(app: FastAPI, prefix: str, access: Access, desk: Desk, user: Any) -> None:
    @app.post(f"{prefix}/token/refresh", tags=["ServiceX"])
    async def refresh(request: Request) -> dict[str, str]:
        """Trade a hub token for a short-lived one."""
        return {"access_token": await access.exchange(request)}

    @app.get(f"{prefix}/servicex", tags=["ServiceX"])
    def info(caller: StorageToken = user) -> dict[str, Any]:
        """Tell version, code generators and what else a client can use."""
        return {
            "app-version": desk.version,
            "code-gen-image": desk.images,
            "capabilities": wire.CAPABILITIES,
        }


def _add_transformations(app: FastAPI, prefix: str, desk: Desk, links: Links, user: Any) -> None:
    base = f"{prefix}/servicex/transformation"

    @app.post(base, tags=["ServiceX"])
    async def submit(body: wire.Submission, caller: StorageToken = user) -> dict[str, str]:
        """Ask for columns."""
        made = await desk.turns.take(caller.user, desk.submit, body, caller)
        return {"request_id": made.id}

    @app.get(base, tags=["ServiceX"])
    def every(caller: StorageToken = user) -> dict[str, Any]:
        """List the caller's requests, the oldest first."""
        found = reversed(desk.records.requests(caller.user))
        return {"requests": [wire.status(one, links.of(one)) for one in found]}

    @app.get(f"{base}/{{identifier}}", tags=["ServiceX"])
    def one(identifier: Identifier, caller: StorageToken = user) -> dict[str, Any]:
        """Tell how far a request is, and where its results are."""
        request = desk.records.request(caller.user, identifier)
        return wire.status(request, links.of(request))

    @app.get(f"{base}/{{identifier}}/status", tags=["ServiceX"])
    def short(identifier: Identifier, caller: StorageToken = user) -> dict[str, Any]:
        """Tell how far a request is."""
        request = desk.records.request(caller.user, identifier)
        return wire.status(request, links.of(request))


def _add_results(app: FastAPI, prefix: str, desk: Desk, user: Any) -> None:
    base = f"{prefix}/servicex/transformation"

    @app.get(f"{base}/{{identifier}}/results", tags=["ServiceX"], response_model=dict[str, Any])
    def results(
        identifier: Identifier,
        later_than: Annotated[str, Query(max_length=60)] = "",
        caller: StorageToken = user,
    ) -> Response:
        """List the files that are done, all at once."""
        request = desk.records.request(caller.user, identifier)
        try:
            created = wire.created_of(later_than) if later_than else 0
        except (ValueError, OverflowError):
            raise Refused(400, "bad_request", f"later_than: {later_than!r} is no time") from None
        pages = desk.records.pages_after(identifier, created)
        return streamed(
            '{"results": [',
            ([json.dumps(wire.result(request, one)) for one in page] for page in pages),
            "]}",
        )


def _add_endings(app: FastAPI, prefix: str, desk: Desk, user: Any) -> None:
    base = f"{prefix}/servicex/transformation"

    @app.get(f"{base}/{{identifier}}/cancel", tags=["ServiceX"], operation_id="cancel_by_get")
    @app.post(f"{base}/{{identifier}}/cancel", tags=["ServiceX"])
    def cancel(identifier: Identifier, caller: StorageToken = user) -> dict[str, str]:
        """Stop a request; what is delivered stays."""
        desk.cancel(identifier, caller)
        return {"message": f"Canceled transformation request {identifier}"}

    @app.delete(f"{base}/{{identifier}}", tags=["ServiceX"])
    def delete(identifier: Identifier, caller: StorageToken = user) -> dict[str, str]:
        """Forget a request, and its results."""
        desk.delete(identifier, caller)
        return {"message": f"Deleted transformation request {identifier}"}


def _add_file_urls(app: FastAPI, prefix: str, desk: Desk, links: Links, user: Any) -> None:
    @app.post(
        f"{prefix}/servicex/transformation/file-urls",
        tags=["ServiceX"],
        response_model=dict[str, Any],
    )
    def file_urls(body: wire.FileUrls, caller: StorageToken = user) -> Response:
        """Give signed addresses of results, which need no token."""
        request = desk.records.request(caller.user, body.request_id)
        if body.scheme not in (None, "http", "https"):
            raise Refused(400, "bad_request", f"scheme: {body.scheme!r}: only http is served here")
        names = list(dict.fromkeys(body.file_list))
        there = desk.records.named(request.id, names)
        if absent := next((one for one in names if one not in there), ""):
            raise MissingError(f"the request has no file {absent[:200]!r}")
        pages = (
            [named(one, links.signed(request.id, one)) for one in some] for some in batches(names)
        )
        return streamed('{"uris": {', pages, "}}")


def _add_datasets(app: FastAPI, prefix: str, desk: Desk, user: Any) -> None:
    base = f"{prefix}/servicex/datasets"

    @app.get(base, tags=["ServiceX"])
    def datasets(
        finder: Annotated[str, Query(alias="did-finder", max_length=100)] = "",
        deleted: Annotated[bool, Query(alias="show-deleted")] = False,
        caller: StorageToken = user,
    ) -> dict[str, Any]:
        """List the datasets that were looked up for the caller."""
        found = desk.records.datasets(caller.user, finder, deleted)
        return {"datasets": [wire.dataset(one) for one in found]}

    @app.get(f"{base}/{{identifier}}", tags=["ServiceX"], response_model=dict[str, Any])
    def dataset(identifier: Number, caller: StorageToken = user) -> Response:
        """Give one with its files."""
        about = json.dumps(wire.dataset(desk.records.dataset(caller.user, identifier)))
        pages = desk.records.dataset_pages(identifier)
        return streamed(
            f'{about.removesuffix("}")}, "files": [',
            ([json.dumps(wire.dataset_file(one)) for one in page] for page in pages),
            "]}",
        )

    @app.delete(f"{base}/{{identifier}}", tags=["ServiceX"])
    def delete(identifier: Number, caller: StorageToken = user) -> dict[str, Any]:
        """Let a dataset be looked up anew the next time."""
        desk.records.dataset(caller.user, identifier)
        desk.records.make_stale(identifier)
        return {"dataset-id": identifier, "stale": True}


def _add_page(app: FastAPI, prefix: str, desk: Desk, links: Links) -> None:
    base = f"{prefix}/transformation-request"

    # The official client writes two slashes.
    @app.get(f"{base}//{{identifier}}/results", include_in_schema=False)
    @app.get(f"{base}/{{identifier}}/results", include_in_schema=False)
    def page(
        identifier: Identifier,
        exp: Annotated[str, Query(max_length=20)] = "",
        sig: Annotated[str, Query(max_length=100)] = "",
    ) -> HTMLResponse:
        """Show people what went wrong with a request's files."""
        if not links.opens_page(identifier, exp, sig):
            return HTMLResponse(results_page(None, [], identifier), 401)
        request = desk.records.known(identifier)
        if request is None:
            return HTMLResponse(results_page(None, [], identifier), 404)
        failures = desk.records.results(identifier, FAILURE, SHOWN)
        return HTMLResponse(results_page(request, failures, identifier))
