"""The store's doors: read-only S3, as far as clients of ServiceX and boto need it, and links.

Bucket = request, key = name of an object. Lists are ListObjectsV2's and the older form's.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from typing import Annotated, BinaryIO, Protocol
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from casita.errors import CasitaError, MissingError
from casita_columns import signing
from casita_columns.objects import Objects
from casita_columns.ranges import RangeError, wanted

CHUNK = 2**20
KEYS_MAX = 1000
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
READ = ["GET", "HEAD"]
METHODS = ["POST", "PUT", "DELETE", "PATCH"]


@dataclass(frozen=True)
class Stored:
    """An object."""

    name: str
    key: str
    """In the store."""
    size: int
    """Bytes."""
    modified: float
    """Unix time."""

    @property
    def etag(self) -> str:
        """Names its content: results are never changed."""
        return f'"{self.key.partition("/")[0]}-{self.size:x}-{int(self.modified * 1e6):x}"'


class Shelf(Protocol):
    """Tells which objects there are."""

    def find(self, request_id: str, name: str) -> Stored | None:
        """Return an object of a request."""
        ...

    def list(self, request_id: str) -> list[Stored] | None:
        """Return a request's objects by name; None if there is no such request."""
        ...


def add_s3(app: FastAPI, prefix: str, shelf: Shelf, objects: Objects, key: bytes) -> None:
    """Add ``<prefix>/s3`` and ``<prefix>/dl``.

    Parameters
    ----------
    key
        Secret from which credentials are derived.
    """
    base = f"{prefix}/s3"

    def bucket(request: Request) -> str:
        raw = request.scope["raw_path"].decode("latin-1")
        asked = signing.Asked(
            request.method,
            raw,
            request.scope["query_string"].decode("latin-1"),
            dict(request.headers),
            raw.removeprefix(base),
        )
        return signing.bucket_of(key, asked, time.time())

    @app.api_route(f"{base}/{{name}}", methods=READ, include_in_schema=False)
    @app.api_route(f"{base}/{{name}}/", methods=READ, include_in_schema=False)
    def listing(name: str, request: Request) -> Response:
        """List a request's objects."""
        try:
            _same(bucket(request), name)
            found = shelf.list(name)
        except signing.SignatureError as error:
            return _refusal(error)
        if found is None:
            return _error(404, "NoSuchBucket", "there is no such bucket")
        if "location" in request.query_params:
            return _xml(f'<LocationConstraint xmlns="{NAMESPACE}"/>')
        return _listing(name, found, dict(request.query_params))

    @app.api_route(f"{base}/{{name}}/{{rest:path}}", methods=READ, include_in_schema=False)
    def object_(name: str, rest: str, request: Request) -> Response:
        """Give an object."""
        try:
            _same(bucket(request), name)
        except signing.SignatureError as error:
            return _refusal(error)
        found = shelf.find(name, rest)
        if found is None:
            return _error(404, "NoSuchKey", "there is no such key")
        return _object(objects, found, request)

    @app.api_route(f"{base}/{{rest:path}}", methods=METHODS, include_in_schema=False)
    def other(rest: str) -> Response:
        """Refuse to change anything."""
        return _error(405, "MethodNotAllowed", "this store is read-only")

    @app.api_route(f"{prefix}/dl/{{request_id}}/{{name}}", methods=READ, include_in_schema=False)
    def link(
        request: Request,
        request_id: Annotated[str, Path(max_length=100)],
        name: Annotated[str, Path(max_length=400)],
        exp: Annotated[str, Query(max_length=20)] = "",
        sig: Annotated[str, Query(max_length=100)] = "",
    ) -> Response:
        """Give an object to whoever has a link to it."""
        if not (exp.isascii() and exp.isdigit()) or int(exp) < time.time():
            return Response("this link has expired\n", 403)
        expected = signing.link_signature(key, request_id, name, int(exp))
        if not hmac.compare_digest(expected.encode(), sig.encode()):
            return Response("this link is not good\n", 403)
        found = shelf.find(request_id, name)
        return _object(objects, found, request) if found else Response("it is gone\n", 404)


def _same(mine: str, wanted: str) -> None:
    if mine != wanted:
        raise signing.SignatureError("AccessDenied", "these credentials are for another bucket")


# ---- objects


def _object(objects: Objects, found: Stored, request: Request) -> Response:
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": found.etag,
        "Last-Modified": formatdate(found.modified, usegmt=True),
        "Content-Type": "binary/octet-stream",
    }
    if request.headers.get("if-none-match") in (found.etag, "*"):
        return Response(None, 304, headers)
    try:
        part = wanted(request.headers.get("range", ""), found.size)
    except RangeError:
        headers["Content-Range"] = f"bytes */{found.size}"
        return _error(416, "InvalidRange", "the range can't be had", headers)
    begin, end = part or (0, found.size)
    headers["Content-Length"] = str(end - begin)
    if part:
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{found.size}"
    status = 206 if part else 200
    if request.method == "HEAD":
        return Response(None, status, headers)
    try:
        stream = objects.open(found.key)
    except MissingError:
        return _error(404, "NoSuchKey", "there is no such key")
    except (CasitaError, OSError):
        return _error(503, "SlowDown", "the store does not answer")
    return StreamingResponse(_parts(stream, begin, end), status, headers)


def _parts(stream: BinaryIO, begin: int, end: int) -> Iterator[bytes]:
    with stream:
        stream.seek(begin)
        left = end - begin
        while left and (part := stream.read(min(CHUNK, left))):
            left -= len(part)
            yield part


# ---- lists


def _listing(bucket: str, found: list[Stored], query: dict[str, str]) -> Response:
    """Return a page of a list (ListObjectsV2; ListObjects without ``list-type``)."""
    second = query.get("list-type") == "2"
    try:
        most = max(0, min(KEYS_MAX, int(query.get("max-keys", KEYS_MAX))))
    except ValueError:
        return _error(400, "InvalidArgument", "max-keys is no number")
    prefix = query.get("prefix", "")
    after = query.get("start-after" if second else "marker", "")
    after = max(after, unquote(query.get("continuation-token", "")))
    rest = [one for one in found if one.name.startswith(prefix) and one.name > after]
    page, more = rest[:most], len(rest) > most
    coded = query.get("encoding-type") == "url"

    def text(value: str) -> str:
        return escape(quote(value, safe="/-_.~") if coded else value)

    fields = [f"<Name>{escape(bucket)}</Name><Prefix>{text(prefix)}</Prefix>"]
    fields.append(f"<MaxKeys>{most}</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>")
    if second:
        fields.append(f"<KeyCount>{len(page)}</KeyCount>")
    if coded:
        fields.append("<EncodingType>url</EncodingType>")
    if more and page:
        token = quote(page[-1].name, safe="") if second else text(page[-1].name)
        name = "NextContinuationToken" if second else "NextMarker"
        fields.append(f"<{name}>{token}</{name}>")
    fields += [_contents(one, text(one.name)) for one in page]
    return _xml(f'<ListBucketResult xmlns="{NAMESPACE}">{"".join(fields)}</ListBucketResult>')


def _contents(one: Stored, name: str) -> str:
    moment = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(one.modified))
    return (
        f"<Contents><Key>{name}</Key><LastModified>{moment}</LastModified>"
        f"<ETag>{escape(one.etag, {chr(34): '&quot;'})}</ETag><Size>{one.size}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
    )


def _xml(text: str, status: int = 200) -> Response:
    return Response(DECLARATION + text, status, media_type="application/xml")


def _refusal(error: signing.SignatureError) -> Response:
    return _error(error.status, error.code, error.message)


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    text = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    more = {name: value for name, value in (headers or {}).items() if name != "Content-Type"}
    return Response(DECLARATION + text, status, more, "application/xml")
