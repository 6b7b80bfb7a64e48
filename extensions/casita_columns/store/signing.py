"""Signatures of S3, and of our own links.  Pure.

AWS Signature Version 4 (in the header and in the query), and version 2 in the query, as the AWS
documentation has them ("Signing AWS API requests"; "Authenticating requests: REST", 2006-03-01).
Credentials are derived, for one request (bucket) and some time, and stored nowhere.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote

SKEW_SECONDS = 900
"""How far ``x-amz-date`` may be from our clock, as at S3."""
METHODS = ("GET", "HEAD")
MOST_SECONDS = 7 * 86400
"""Longest life of a presigned URL of version 4."""
ALGORITHM = "AWS4-HMAC-SHA256"
HEADER = re.compile(
    rf"{ALGORITHM} +Credential=([^,\s]+), *SignedHeaders=([^,\s]+), *Signature=([0-9a-f]{{64}})"
)


class S3Error(Exception):
    """A request is refused, in S3's terms.

    Parameters
    ----------
    code
        S3's ("Error responses", Amazon S3 API reference).
    status
        HTTP's.
    headers
        That the answer has besides.
    """

    def __init__(
        self, code: str, message: str, status: int = 403, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.headers = headers or {}


@dataclass(frozen=True)
class Asked:
    """A request, as it came."""

    method: str
    path: str
    """As it was sent, escapes and all."""
    query: str
    headers: Mapping[str, str]
    """By lower-case name."""
    inner: str
    """The path without the endpoint's prefix, which version 2 signs."""


def credentials(key: bytes, request: str, end: int) -> tuple[str, str]:
    """Return access key and secret key for a request's objects until ``end`` (Unix time)."""
    access = f"{request}.{end}"
    return access, secret_of(key, access)


def secret_of(key: bytes, access: str) -> str:
    """Return the secret that belongs to an access key."""
    return hmac.new(key, f"s3 {access}".encode(), "sha256").hexdigest()


def link_signature(key: bytes, request: str, name: str, end: int) -> str:
    """Return the signature of a link to one object until ``end`` (Unix time)."""
    return hmac.new(key, f"link {request}/{name} {end}".encode(), "sha256").hexdigest()


def bucket_of(key: bytes, asked: Asked, now: float) -> str:
    """Return the request whose objects a request may read.

    Raises
    ------
    S3Error
        It is not signed, wrongly, or too long ago.
    """
    if asked.method not in METHODS:
        raise S3Error("MethodNotAllowed", "this store is read-only", 405)
    query = [
        (unquote(name), unquote(value))
        for name, _, value in (one.partition("=") for one in asked.query.split("&") if one)
    ]
    given = dict(query)
    try:
        if "AWSAccessKeyId" in given:
            access = _version_2(key, asked, given, now)
        elif "X-Amz-Signature" in given:
            access = _presigned(key, asked, query, given, now)
        else:
            access = _version_4(key, asked, query, now)
    except KeyError as error:
        raise S3Error("InvalidRequest", f"the signature lacks {error.args[0]}", 400) from None
    except (ValueError, OverflowError):
        raise S3Error("InvalidRequest", "the signature can't be read", 400) from None
    bucket, _, end = access.rpartition(".")
    if not (end.isascii() and end.isdigit()) or int(end) < now:
        raise S3Error("ExpiredToken", "these credentials have expired")
    return bucket


def _version_2(key: bytes, asked: Asked, given: Mapping[str, str], now: float) -> str:
    access, ends = given["AWSAccessKeyId"], int(given["Expires"])
    if ends < now:
        raise S3Error("AccessDenied", "this URL has expired")
    text = f"{asked.method}\n\n\n{given['Expires']}\n{asked.inner}"
    made = hmac.new(secret_of(key, access).encode(), text.encode(), "sha1").digest()
    _compare(base64.b64encode(made).decode(), given["Signature"])
    return access


def _version_4(key: bytes, asked: Asked, query: list[tuple[str, str]], now: float) -> str:
    found = HEADER.fullmatch(asked.headers.get("authorization", ""))
    if found is None:
        raise S3Error("AccessDenied", "the request is not signed")
    credential, names, signature = found.groups()
    date = asked.headers["x-amz-date"]
    if abs(_seconds(date) - now) > SKEW_SECONDS:
        raise S3Error("RequestTimeTooSkewed", "the clocks differ by more than 15 minutes")
    payload = asked.headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    if payload not in ("UNSIGNED-PAYLOAD", hashlib.sha256().hexdigest()):
        raise S3Error("XAmzContentSHA256Mismatch", "there is no content", 400)
    return _signed(key, asked, query, credential, names, signature, date, payload)


def _presigned(
    key: bytes, asked: Asked, query: list[tuple[str, str]], given: Mapping[str, str], now: float
) -> str:
    if given["X-Amz-Algorithm"] != ALGORITHM:
        raise S3Error("InvalidRequest", "the algorithm is unknown", 400)
    date, life = given["X-Amz-Date"], int(given["X-Amz-Expires"])
    begins = _seconds(date)
    if not 0 < life <= MOST_SECONDS or begins - SKEW_SECONDS > now or begins + life < now:
        raise S3Error("AccessDenied", "this URL has expired, or is not valid yet")
    rest = [one for one in query if one[0] != "X-Amz-Signature"]
    return _signed(
        key,
        asked,
        rest,
        given["X-Amz-Credential"],
        given["X-Amz-SignedHeaders"],
        given["X-Amz-Signature"],
        date,
        "UNSIGNED-PAYLOAD",
    )


def _signed(
    key: bytes,
    asked: Asked,
    query: list[tuple[str, str]],
    credential: str,
    names: str,
    signature: str,
    date: str,
    payload: str,
) -> str:
    access, day, region, service, end = credential.split("/")
    if "host" not in names.split(";") or (day, service, end) != (date[:8], "s3", "aws4_request"):
        raise S3Error("InvalidRequest", "the host, the day and the service must be signed", 400)
    headers = "".join(
        f"{name}:{' '.join(asked.headers[name].split())}\n" for name in names.split(";")
    )
    listed = "&".join(sorted(f"{_escaped(name)}={_escaped(value)}" for name, value in query))
    canonical = "\n".join((asked.method, asked.path, listed, headers, names, payload))
    scope = "/".join((day, region, service, end))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join((ALGORITHM, date, scope, digest))
    made = f"AWS4{secret_of(key, access)}".encode()
    for part in (day, region, service, end):
        made = hmac.new(made, part.encode(), "sha256").digest()
    _compare(hmac.new(made, text.encode(), "sha256").hexdigest(), signature)
    return access


def _escaped(text: str) -> str:
    return quote(text, safe="-_.~")


def _seconds(date: str) -> float:
    return datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _compare(made: str, given: str) -> None:
    if not hmac.compare_digest(made.encode(), given.encode()):
        raise S3Error(
            "SignatureDoesNotMatch", "the signature is not that of the secret key and the request"
        )
