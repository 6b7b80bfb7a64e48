"""The store's doors: read-only S3, as far as clients of ServiceX and boto need it, and links.

Bucket = request, key = name of an object.
"""

from __future__ import annotations

import hmac
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from typing import Annotated, Any, BinaryIO, Protocol

from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from casita.errors import CasitaError, MissingError
from casita_columns.store import signing
from casita_columns.store.bucket_list import NAMESPACE, Asked, listed, xml_text
from casita_columns.store.objects import AHEAD, Objects, Stored
from casita_columns.store.ranges import RangeError, wanted
from casita_columns.store.signing import S3Error

CHUNK = 2**20
MESSAGE_MAX = 200
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
READ = list(signing.METHODS)
METHODS = ["POST", "PUT", "DELETE", "PATCH"]


class Shelf(Protocol):
    """Tells which objects there are."""

    def find(self, request_id: str, name: str) -> Stored | None:
        """Return an object of a request."""
        ...

    def has(self, request_id: str) -> bool:
        """Whether there is such a request."""
        ...

    def list(self, request_id: str, first: str) -> Iterator[Stored]:
        """Yield a request's objects by name, from one on, in order of their UTF-8 bytes."""
        ...


def add_s3(app: FastAPI, prefix: str, shelf: Shelf, objects: Objects, key: bytes) -> None:
    """Add ``<prefix>/s3`` and ``<prefix>/dl``.

    Parameters
    ----------
    key
        Secret from which credentials are derived.
    """
    base = f"{prefix}/s3"
    doors = _Doors(base, shelf, objects, key)

    def add(path: str, methods: list[str], answer: Callable[..., Any]) -> None:
        app.add_api_route(path, answer, methods=methods, include_in_schema=False)

    add(f"{base}/{{name}}", READ, doors.listing)
    add(f"{base}/{{name}}/", READ, doors.listing)
    add(f"{base}/{{name}}/{{rest:path}}", READ, doors.object)
    add(base, READ, doors.buckets)
    add(f"{base}/", READ, doors.buckets)
    add(f"{base}/{{rest:path}}", METHODS, doors.other)
    add(f"{prefix}/dl/{{request_id}}/{{name}}", READ, doors.link)
    app.add_exception_handler(S3Error, _explain)


@dataclass(frozen=True)
class _Doors:
    base: str
    """Path of the S3 endpoint."""
    shelf: Shelf
    objects: Objects
    key: bytes

    def listing(self, name: str, request: Request) -> Response:
        """List a request's objects."""
        self._admit(request, name)
        if not self.shelf.has(name):
            raise S3Error("NoSuchBucket", "there is no such bucket", 404)
        if "location" in request.query_params:
            return _xml(f'<LocationConstraint xmlns="{NAMESPACE}"/>')
        asked = Asked.of(request.query_params)
        return _xml(listed(name, self.shelf.list(name, asked.first), asked))

    def object(self, name: str, rest: str, request: Request) -> Response:
        """Give an object."""
        self._admit(request, name)
        found = self.shelf.find(name, rest)
        if found is None:
            raise _no_key()
        return _object(self.objects, found, request)

    def buckets(self, request: Request) -> Response:
        """Refuse to list others' requests."""
        raise S3Error("AccessDenied", "these credentials are for one bucket")

    def other(self, rest: str) -> Response:
        """Refuse to change anything."""
        raise S3Error("MethodNotAllowed", "this store is read-only", 405, {"Allow": "GET, HEAD"})

    def link(
        self,
        request: Request,
        request_id: Annotated[str, Path(max_length=100)],
        name: Annotated[str, Path(max_length=400)],
        exp: Annotated[str, Query(max_length=20)] = "",
        sig: Annotated[str, Query(max_length=100)] = "",
    ) -> Response:
        """Give an object to whoever has a link to it."""
        if not (exp.isascii() and exp.isdigit()) or int(exp) < time.time():
            return Response("this link has expired\n", 403)
        expected = signing.link_signature(self.key, request_id, name, int(exp))
        if not hmac.compare_digest(expected.encode(), sig.encode()):
            return Response("this link is not good\n", 403)
        found = self.shelf.find(request_id, name)
        return _object(self.objects, found, request) if found else Response("it is gone\n", 404)

    def _admit(self, request: Request, bucket: str) -> None:
        """Let in who has the credentials of a bucket."""
        raw = request.scope["raw_path"].decode("latin-1")
        asked = signing.Asked(
            request.method,
            raw,
            request.scope["query_string"].decode("latin-1"),
            dict(request.headers),
            raw.removeprefix(self.base),
        )
        if signing.bucket_of(self.key, asked, time.time()) != bucket:
            raise S3Error("AccessDenied", "these credentials are for another bucket")


# ---- objects


def _object(objects: Objects, found: Stored, request: Request) -> Response:
    """Answer with an object, a part of it, or that it is known already (RFC 9110, 13 and 14)."""
    given = request.headers
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": found.etag,
        "Last-Modified": formatdate(found.modified, usegmt=True),
        "Content-Type": "binary/octet-stream",
    }
    if "if-match" in given and not _names(given["if-match"], found.etag):
        raise S3Error("PreconditionFailed", "If-Match is another object's", 412)
    if _names(given.get("if-none-match", ""), found.etag):
        return Response(None, 304, headers)
    part = None
    if given.get("if-range", found.etag) in (found.etag, headers["Last-Modified"]):
        part = _part(given.get("range", ""), found.size)
    begin, end = part or (0, found.size)
    headers["Content-Length"] = str(end - begin)
    if part:
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{found.size}"
    status = 206 if part else 200
    try:
        if request.method == "HEAD":
            objects.size(found.key)  # is it there?
            return Response(None, status, headers)
        stream = objects.open(found.key, min(AHEAD, end - begin))
    except MissingError:
        raise _no_key() from None
    except (CasitaError, OSError):
        raise S3Error("SlowDown", "the store does not answer", 503, {"Retry-After": "5"}) from None
    return StreamingResponse(_parts(stream, begin, end), status, headers)


def _names(header: str, etag: str) -> bool:
    """Whether a list of entity tags has one; a weak one will do."""
    return header == "*" or etag in [one.strip().removeprefix("W/") for one in header.split(",")]


def _part(header: str, size: int) -> tuple[int, int] | None:
    try:
        return wanted(header, size)
    except RangeError:
        more = {"Content-Range": f"bytes */{size}"}
        raise S3Error("InvalidRange", "the range can't be had", 416, more) from None


def _parts(stream: BinaryIO, begin: int, end: int) -> Iterator[bytes]:
    with stream:
        stream.seek(begin)
        left = end - begin
        while left and (part := stream.read(min(CHUNK, left))):
            left -= len(part)
            yield part


# ---- answers


def _no_key() -> S3Error:
    return S3Error("NoSuchKey", "there is no such key", 404)


def _xml(text: str) -> Response:
    return Response(DECLARATION + text, media_type="application/xml")


async def _explain(request: Request, error: Exception) -> Response:
    assert isinstance(error, S3Error)
    # The service's own number of this request (casita.serving), which its log has.
    number = getattr(request.state, "request_id", "") or uuid.uuid4().hex
    fields = (
        f"<Code>{error.code}</Code><Message>{xml_text(error.message[:MESSAGE_MAX])}</Message>"
        f"<RequestId>{number}</RequestId>"
    )
    text = f"{DECLARATION}<Error>{fields}</Error>"
    headers = {"x-amz-request-id": number, **error.headers}
    return Response(text, error.status, headers, "application/xml")
