"""A ServiceX elsewhere: it runs what this facility can't, and its results come here.

Clients see one service. A request for one of its code generators is sent on in the same form, and
watched; each file that it delivers is fetched into this facility's store, so that owners, links,
limits and life of results are the same for all.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx

from casita.bearer import claims
from casita.errors import CasitaError, LoginError, MissingError, ServiceError
from casita_columns.records.outcomes import Outcome, QuotaError
from casita_columns.records.requests import Records
from casita_columns.records.tables import (
    CANCELED,
    COMPLETE,
    DONE,
    FATAL,
    RUNNING,
    Request,
)
from casita_columns.service.bell import Bell
from casita_columns.service.bucket import Bucket
from casita_columns.service.work import over_quota
from casita_columns.settings import ColumnsSettings
from casita_columns.settings import Upstream as UpstreamSettings
from casita_columns.store.objects import Objects
from casita_columns.wire import FILE_LIST, object_name

logger = logging.getLogger("casita.columns")
LOOK_SECONDS = 2.0
ABOUT_SECONDS = 600.0
EARLY_SECONDS = 60.0
FIRST = "0001-01-01T00:00:00+00:00"
"""What the official client asks results later than, first (``servicex_adapter.py``)."""
EXECUTOR = "upstream"
PASSING = (401, 408, 425, 429)
"""Statuses after which another attempt may help."""
LISTS, LINKS = "poll_local_transformation_results", "generate_file_urls"
"""What newer ones can do; older ones have results in S3 only."""


class Remote:
    """Its REST.

    Parameters
    ----------
    http
        Closed by whoever made it.
    """

    def __init__(self, settings: UpstreamSettings, http: httpx.Client) -> None:
        self._settings = settings
        self._http = http
        self._token = ""

    def ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        """Send a request and return its answer.

        Raises
        ------
        MissingError
            404.
        ServiceError
            Another error, with its message, or no answer.
        """
        url = f"{self._settings.url.rstrip('/')}/{path}"
        try:
            answer = self._http.request(method, url, headers=self._headers(), **more)
        except httpx.HTTPError as error:
            raise ServiceError(f"{self._settings.url} does not answer: {error}") from error
        content = _content(answer)
        if answer.status_code == 401:
            self._token = ""
        if answer.status_code == 404:
            raise MissingError(_said(answer, content))
        if answer.is_error:
            raise ServiceError(_said(answer, content), status=answer.status_code)
        return content

    def _headers(self) -> dict[str, str]:
        """Return the header with a short token, which the refresh token is traded for."""
        if self._settings.token_file is None:
            return {}
        if (
            not self._token
            or float(claims(self._token).get("exp", 0)) < time.time() + EARLY_SECONDS
        ):
            refresh = self._settings.token_file.read_text().strip()
            url = f"{self._settings.url.rstrip('/')}/token/refresh"
            try:
                answer = self._http.post(url, headers={"Authorization": f"Bearer {refresh}"})
            except httpx.HTTPError as error:
                raise ServiceError(f"{self._settings.url} does not answer: {error}") from error
            if answer.status_code != 200:
                raise LoginError(f"{self._settings.url} does not take the token of this facility")
            self._token = str(answer.json()["access_token"])
        return {"Authorization": f"Bearer {self._token}"}

    def parts(self, request: str, name: str) -> Iterator[bytes]:
        """Yield an object's content.

        Raises
        ------
        ServiceError
            It can't be had.
        """
        body = {"request_id": request, "file_list": [name]}
        uris = self.ask("POST", "servicex/transformation/file-urls", json=body)["uris"]
        url, headers = uris[name][0], uris[name][1]
        try:
            with self._http.stream("GET", url, headers=headers) as answer:
                if answer.status_code != 200:
                    raise ServiceError(f"{name}: its store answers {answer.status_code}")
                yield from answer.iter_bytes(2**20)
        except httpx.HTTPError as error:
            raise ServiceError(f"{name}: it can't be fetched: {error}") from error


class TooLargeError(Exception):
    """An object is larger than may be fetched."""


class Upstream:
    """Sends requests on, watches them and fetches their results, in a thread."""

    def __init__(
        self, columns: ColumnsSettings, records: Records, objects: Objects, bell: Bell
    ) -> None:
        assert columns.upstream is not None
        self._settings = settings = columns.upstream
        self._columns = columns
        self._records = records
        self._objects = objects
        self._bell = bell
        self._http = httpx.Client(timeout=60, trust_env=True, follow_redirects=True)
        self._remote = Remote(settings, self._http)
        self._ended = threading.Event()
        self._news = threading.Event()
        self._asked = float("-inf")
        self._able = frozenset((LISTS, LINKS))
        self.images: dict[str, str] = {}
        """Its code generators: name and image."""
        self._thread = threading.Thread(target=self._run, name="casita-upstream", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._about()
        self._thread.start()

    def stop(self) -> None:
        """End; what it runs goes on there."""
        self._ended.set()
        self._news.set()
        self._thread.join(timeout=10)
        self._http.close()

    def nudge(self) -> None:
        """Look at once."""
        self._news.set()

    def _about(self) -> None:
        if time.monotonic() - self._asked < ABOUT_SECONDS:
            return
        self._asked = time.monotonic()
        try:
            about = self._remote.ask("GET", "servicex")
            found = about["code-gen-image"]
        except (CasitaError, OSError, KeyError) as error:
            logger.warning("the upstream ServiceX does not tell what it has: %s", error)
            return
        self._able = frozenset(about.get("capabilities") or ())
        wanted = self._settings.codegens
        self.images = {
            str(name): str(image) for name, image in found.items() if not wanted or name in wanted
        }

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._about()
                for one in self._records.unfinished():
                    if one.executor == EXECUTOR and not self._ended.is_set():
                        self._safely_see_to(one)
            except Exception:
                logger.exception("requests at the upstream ServiceX were not seen to")
            self._news.wait(LOOK_SECONDS)
            self._news.clear()

    def _safely_see_to(self, request: Request) -> None:
        """See to one; the others' turn comes, whatever happens."""
        try:
            self._see_to(request)
        except Exception:
            logger.exception("a request at the upstream ServiceX was not seen to")

    def _see_to(self, request: Request) -> None:
        try:
            if not request.remote:
                self._send(request)
            else:
                self._follow(request)
        except MissingError:
            self._end(request, FATAL, f"{self._settings.url} has forgotten the request")
        except (LoginError, ServiceError) as error:
            status = error.status if isinstance(error, ServiceError) else 0
            # An older ServiceX says 500 to what can't be translated, and nothing was begun there.
            refused = status == 500 and not request.remote
            if refused or (status and status < 500 and status not in PASSING):
                self._end(request, FATAL, error.message)
            else:
                logger.info("upstream: %s", error)  # asked again soon

    def _send(self, request: Request) -> None:
        body: dict[str, Any] = {
            "title": request.title,
            "selection": request.selection,
            "codegen": request.codegen,
            "result-destination": "object-store",
            "result-format": request.form,
        }
        if request.did == FILE_LIST:
            files = self._records.dataset_files(request.dataset_id)
            body["file-list"] = [one.paths.partition("\n")[0] for one in files]
        else:
            body["did"] = request.did
        made = self._remote.ask("POST", "servicex/transformation", json=body)
        self._records.set_remote(request.id, str(made["request_id"]))
        # Who cancelled it meanwhile could not yet know its name there.
        current = self._records.known(request.id)
        if current is None or current.state == CANCELED:
            self._end_there(str(made["request_id"]))

    def _follow(self, request: Request) -> None:
        state = self._remote.ask("GET", f"servicex/transformation/{request.remote}")
        self._records.set_files(request.id, int(state["files"]))
        for number, row in self._new(request, state):
            self._take(request, number, row, state)
        status = str(state["status"])
        if status in DONE:
            trouble = str(state.get("failure-info") or "")
            self._end(request, status, trouble)
        elif status == RUNNING:
            self._records.set_state(request.id, RUNNING)
        self._bell.ring(request.owner)

    def _new(self, request: Request, state: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield what is not here yet, with a number: rows may come in another order each time."""
        known = self._records.remote_rows(request.id)
        if LISTS in self._able:
            path = f"servicex/transformation/{request.remote}/results"
            rows = self._remote.ask("GET", path, params={"later_than": FIRST})["results"]
        else:
            rows = Bucket(state).rows()
        new = (one for one in rows if int(one["id"]) not in known)
        return enumerate(new, len(known))

    def _take(
        self, request: Request, number: int, row: dict[str, Any], state: dict[str, Any]
    ) -> None:
        row_id, path = int(row["id"]), str(row.get("file-path", ""))
        if row.get("transform_status") != "success":
            self._records.add_remote(request.id, row_id, number, path, "it failed there")
            return
        name = object_name(number, path, request.form)
        key = f"{request.id}/{name}"
        remote = str(row["s3-object-name"])
        parts = (
            self._remote.parts(request.remote, remote)
            if LINKS in self._able
            else Bucket(state).parts(remote)
        )
        size, trouble = self._fetched(request, parts, key)
        if trouble:
            self._records.add_remote(request.id, row_id, number, path, trouble)
            return
        events = int(row.get("total-events") or 0)
        outcome = Outcome(name, key, size, events, 0, 0, float(row.get("transform_time") or 0))
        quota = self._columns.quota
        try:
            wanted = self._records.add_remote(request.id, row_id, number, path, outcome, quota)
        except QuotaError:
            wanted = False
            self._records.add_remote(request.id, row_id, number, path, over_quota(quota))
        if not wanted:
            self._objects.delete(key)

    def _fetched(self, request: Request, parts: Iterator[bytes], key: str) -> tuple[int, str]:
        """Fetch an object into the store; returns its size in bytes, and why it is not there."""
        free = self._columns.quota - self._records.usage(request.owner)
        most = self._columns.output
        spool = self._objects.spool()
        try:
            _write(spool.fd, parts, min(most, free))
            self._records.promise(key)
            return self._objects.commit(spool, key), ""
        except TooLargeError:
            self._objects.discard(spool)
            return 0, (
                over_quota(self._columns.quota)
                if free < most
                else f"it has more than the {most} bytes that a file may have"
            )
        except BaseException:
            self._objects.discard(spool)
            raise

    def _end(self, request: Request, state: str, trouble: str) -> None:
        if state == COMPLETE:
            self._records.complete(request.id)
        else:
            self._records.set_state(request.id, state, trouble)
        self._bell.ring(request.owner)

    def cancel(self, request: Request) -> None:
        """Cancel a request there, too."""
        if request.remote and request.state == CANCELED:
            self._end_there(request.remote)

    def _end_there(self, remote: str) -> None:
        try:
            self._remote.ask("GET", f"servicex/transformation/{remote}/cancel")
        except CasitaError as error:
            logger.info("upstream: %s", error)


def _content(answer: httpx.Response) -> dict[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _said(answer: httpx.Response, content: dict[str, Any]) -> str:
    return str(content.get("message") or f"it answers {answer.status_code}")[:1000]


def _write(handle: int, parts: Iterator[bytes], limit: int) -> None:
    """Write an object to a file descriptor.

    Raises
    ------
    TooLargeError
        It has more than ``limit`` bytes.
    """
    size = 0
    for part in parts:
        size += len(part)
        if size > limit:
            raise TooLargeError
        left = memoryview(part)
        while left:
            left = left[os.write(handle, left) :]
