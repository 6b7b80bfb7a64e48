"""Signatures, made by botocore, at chosen times and with anything changed."""

import string
import time
from urllib.parse import unquote, urlsplit

import pytest
from botocore.auth import HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from casita_columns.store import signing
from casita_columns.store.signing import Asked, S3Error

KEY = b"the service's secret"
BUCKET = "0123-abc"
HOST = "hub.example.org:8000"
HOUR = 3600
OBJECT = "with%20space%3A%C3%BC.parquet"


def signed(form, *, prefix="", method="GET", path=f"/{BUCKET}/{OBJECT}", headers=None, **more):
    """Return a request as botocore signs it now.

    ``form`` is "header", "v4" or "v2"; more: life (s), end (of credentials), query, bucket.
    """
    end = int(time.time()) + more.get("end", HOUR)
    access, secret = signing.credentials(KEY, more.get("bucket", BUCKET), end)
    known = Credentials(access, secret)
    url = f"http://{HOST}{prefix}{path}{more.get('query', '')}"
    request = AWSRequest(method, url, headers=headers or {}, auth_path=path)
    life = more.get("life", 600)
    {
        "header": lambda: S3SigV4Auth(known, "s3", "us-east-1"),
        "v4": lambda: S3SigV4QueryAuth(known, "s3", "us-east-1", expires=life),
        "v2": lambda: HmacV1QueryAuth(known, expires=life),
    }[form]().add_auth(request)
    parts = urlsplit(request.url)
    sent = {name.lower(): str(value) for name, value in request.headers.items()}
    return Asked(
        method, parts.path, parts.query, {"host": HOST, **sent}, parts.path.removeprefix(prefix)
    )


def changed(asked, **more):
    fields = ("method", "path", "query", "headers", "inner")
    return Asked(**{name: more.get(name, getattr(asked, name)) for name in fields})


def opens(asked, later=0.0):
    return signing.bucket_of(KEY, asked, time.time() + later)


def refusal(asked, later=0.0, key=KEY):
    with pytest.raises(S3Error) as caught:
        signing.bucket_of(key, asked, time.time() + later)
    return caught.value.code


FORMS = ["header", "v4", "v2"]
every_form = pytest.mark.parametrize("form", FORMS)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("prefix", ["", "/s3", "/services/columns/s3"])
@every_form
def test_what_botocore_signs_opens_its_bucket(form, prefix, method):
    assert opens(signed(form, prefix=prefix, method=method)) == BUCKET
    listing = signed(
        form, prefix=prefix, path=f"/{BUCKET}", query="?list-type=2&prefix=a%20b%2B&empty="
    )
    assert opens(listing) == BUCKET


def test_every_signed_header_counts():
    headers = {"Range": "bytes=0-99", "x-amz-checksum-mode": "ENABLED"}
    asked = signed("header", headers=headers)
    assert "range;x-amz-checksum-mode" in asked.headers["authorization"]
    assert opens(asked) == BUCKET
    for name in ("range", "x-amz-checksum-mode", "host"):
        altered = {**asked.headers, name: "bytes=0-100"}
        assert refusal(changed(asked, headers=altered)) == "SignatureDoesNotMatch"
        left = {key: value for key, value in asked.headers.items() if key != name}
        assert refusal(changed(asked, headers=left)) == "InvalidRequest"


@every_form
def test_a_signature_is_for_one_request(form):
    asked = signed(form)
    other = "HEAD" if asked.method == "GET" else "GET"
    path = f"/{BUCKET}/another"
    assert refusal(changed(asked, method=other)) == "SignatureDoesNotMatch"
    assert refusal(changed(asked, path=path, inner=path)) == "SignatureDoesNotMatch"
    decoded = unquote(asked.path)
    assert refusal(changed(asked, path=decoded, inner=decoded)) == "SignatureDoesNotMatch"
    assert refusal(asked, key=b"another service's") == "SignatureDoesNotMatch"


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "OPTIONS", "get", "", "GET\n"])
@every_form
def test_only_reading_is_for_sale(form, method):
    assert refusal(changed(signed(form), method=method)) == "MethodNotAllowed"


@pytest.mark.parametrize("form", ["header", "v4"])
def test_a_query_can_be_neither_added_to_nor_cut(form):
    asked = signed(form, path=f"/{BUCKET}", query="?list-type=2&prefix=a")
    assert opens(asked) == BUCKET
    more = f"{asked.query}&max-keys=9"
    assert refusal(changed(asked, query=more)) == "SignatureDoesNotMatch"
    less = asked.query.replace("prefix=a", "prefix=")
    assert refusal(changed(asked, query=less)) == "SignatureDoesNotMatch"
    backwards = "&".join(reversed(asked.query.split("&")))
    assert opens(changed(asked, query=backwards)) == BUCKET


def test_clocks_may_differ_by_a_quarter_of_an_hour():
    asked = signed("header")
    for later in (0, 890, -890):
        assert opens(asked, later) == BUCKET
    for later in (910, -910, 86400, -86400):
        assert refusal(asked, later) == "RequestTimeTooSkewed"


def test_presigned_urls_have_a_life():
    for form in ("v4", "v2"):
        asked = signed(form, life=600)
        assert opens(asked, 590) == BUCKET
        assert refusal(asked, 610) == "AccessDenied"
    asked = signed("v4", life=600)
    assert opens(asked, -890) == BUCKET
    assert refusal(asked, -910) == "AccessDenied"  # of a clock that is ahead
    for life in (0, -1, 7 * 86400 + 1):
        assert refusal(signed("v4", life=life)) == "AccessDenied"


@pytest.mark.parametrize(("form", "name"), [("v4", "X-Amz-Expires"), ("v2", "Expires")])
def test_a_life_can_not_be_prolonged(form, name):
    asked = signed(form, life=600)
    pairs = dict(one.split("=", 1) for one in asked.query.split("&"))
    pairs[name] = str(int(pairs[name]) + 60)
    query = "&".join(f"{key}={value}" for key, value in pairs.items())
    assert refusal(changed(asked, query=query)) == "SignatureDoesNotMatch"


@every_form
def test_credentials_end_whatever_an_url_says(form):
    asked = signed(form, life=86400, end=60)
    assert opens(asked, 55) == BUCKET
    assert refusal(asked, 65) == "ExpiredToken"


@every_form
def test_credentials_can_not_be_altered(form):
    """Another's bucket, or a later end, needs another secret."""
    asked = signed(form)
    access = asked.query if form != "header" else asked.headers["authorization"]
    assert BUCKET in access
    for new in ("0456-def", f"{BUCKET}0", ""):
        altered = access.replace(BUCKET, new)
        wrong = (
            changed(asked, headers={**asked.headers, "authorization": altered})
            if form == "header"
            else changed(asked, query=altered)
        )
        assert refusal(wrong) == "SignatureDoesNotMatch"


def test_what_is_not_signed_is_denied():
    for headers in ({}, {"authorization": ""}, {"authorization": "Bearer abc"}):
        asked = Asked("GET", f"/{BUCKET}/a", "", {"host": HOST, **headers}, f"/{BUCKET}/a")
        assert refusal(asked) == "AccessDenied"


def test_a_get_has_no_content():
    asked = signed("header")
    empty = asked.headers["x-amz-content-sha256"]
    assert empty == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for other in ("0" * 64, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "", "x"):
        headers = {**asked.headers, "x-amz-content-sha256": other}
        assert refusal(changed(asked, headers=headers)) == "XAmzContentSHA256Mismatch"


@pytest.mark.parametrize(
    "credential",
    [
        "a",
        "a/b/c/d",
        "a/b/c/d/e/f",
        "{access}/19990101/us-east-1/s3/aws4_request",
        "{access}/{day}/us-east-1/sts/aws4_request",
        "{access}/{day}/us-east-1/s3/aws5_request",
    ],
)
def test_credentials_are_for_this_day_and_service(credential):
    day = time.strftime("%Y%m%d", time.gmtime())
    access, _ = signing.credentials(KEY, BUCKET, int(time.time()) + HOUR)
    scope = credential.format(access=access, day=day)
    form = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"
    headers = {"host": HOST, "authorization": form, "x-amz-date": f"{day}T000000Z"}
    now = time.mktime(time.strptime(f"{day} UTC", "%Y%m%d %Z")) - time.timezone
    with pytest.raises(S3Error) as caught:
        signing.bucket_of(KEY, Asked("GET", f"/{BUCKET}/a", "", headers, "/"), now)
    assert (caught.value.code, caught.value.status) == ("InvalidRequest", 400)


def test_the_host_must_be_signed():
    form = "AWS4-HMAC-SHA256 Credential=a/20261125/r/s3/aws4_request, "
    form += f"SignedHeaders=x-amz-date, Signature={'0' * 64}"
    asked = signed("header")
    assert refusal(changed(asked, headers={**asked.headers, "authorization": form})) in (
        "InvalidRequest"
    )


def test_secrets_of_links_and_of_credentials_are_not_each_others():
    end = int(time.time()) + HOUR
    link = signing.link_signature(KEY, BUCKET, "a", end)
    assert link == signing.link_signature(KEY, BUCKET, "a", end)
    others = [
        signing.link_signature(KEY, BUCKET, "a", end + 1),
        signing.link_signature(KEY, BUCKET, "b", end),
        signing.link_signature(KEY, "0456-def", "a", end),
        signing.link_signature(b"another", BUCKET, "a", end),
        signing.secret_of(KEY, f"{BUCKET}/a {end}"),
        signing.credentials(KEY, BUCKET, end)[1],
    ]
    assert link not in others
    assert len(set(others)) == len(others)


# ---- whatever is sent

PRINTED = st.text(string.printable + "ü\x00\u2028", max_size=40)
ANY = PRINTED | st.text(max_size=40)
DIGITS = st.integers(-(10**30), 10**30).map(str) | st.just("9" * 5000) | st.just("٣")
PARAMETERS = st.sampled_from(
    [
        *("AWSAccessKeyId", "Signature", "Expires", "X-Amz-Signature", "X-Amz-Date"),
        *("X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Expires", "X-Amz-Algorithm"),
    ]
)
DATES = st.sampled_from(["20261125T000000Z", "00010101T000000Z", "99991231T235959Z", "20261332T0Z"])
VALUES = ANY | DIGITS | DATES | st.sampled_from(["AWS4-HMAC-SHA256", "host", "a/20261125/r/s3/x"])
QUERIES = ANY | st.lists(st.tuples(PARAMETERS | ANY, VALUES)).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
)
HEADERS = st.dictionaries(
    st.sampled_from(["authorization", "x-amz-date", "host", "x-amz-content-sha256"]),
    VALUES
    | st.builds(
        "AWS4-HMAC-SHA256 Credential={}, SignedHeaders={}, Signature={}".format,
        VALUES,
        VALUES,
        st.just("0" * 64) | VALUES,
    ),
)


@settings(max_examples=400, deadline=None)
@given(method=st.sampled_from(["GET", "HEAD"]) | ANY, path=ANY, query=QUERIES, headers=HEADERS)
def test_whatever_is_sent_is_refused_in_order(method, path, query, headers):
    with pytest.raises(S3Error) as caught:
        signing.bucket_of(KEY, Asked(method, path, query, headers, path), time.time())
    assert caught.value.status in (400, 403, 405)


def meant(query):
    """What a query says, however it is written."""
    pairs = (one.partition("=") for one in query.split("&") if one)
    return sorted((unquote(name), unquote(value)) for name, _, value in pairs)


@settings(max_examples=200, deadline=None)
@given(
    form=st.sampled_from(["v4", "v2"]),
    place=st.integers(0, 400),
    new=st.sampled_from(string.ascii_letters + string.digits + "%&=/+.-_~ ;#\0é"),
)
@example(form="v2", place=0, new="&")
def test_no_character_of_an_url_can_be_changed(form, place, new):
    asked = signed(form)
    place %= len(asked.query)
    query = asked.query[:place] + new + asked.query[place + 1 :]
    assume(meant(query) != meant(asked.query))
    assert refusal(changed(asked, query=query)) in (
        "SignatureDoesNotMatch",
        "InvalidRequest",
        "AccessDenied",
    )
