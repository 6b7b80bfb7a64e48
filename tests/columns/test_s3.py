"""The store's doors, for the field's own clients of S3, and for those who should stay out."""

import asyncio
import os
import threading
import time
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import boto3
import botocore.exceptions
import fsspec
import httpx
import pyarrow.parquet
import pytest
import uproot
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.columns.live import listening

from casita_columns.store import signing
from casita_columns.store.objects import Objects, Stored
from casita_columns.store.s3 import add_s3

KEY = b"secret"
BUCKET, OTHER = "0123-abc", "0456-def"
NAMES = ("a.parquet", "b:c.parquet", "with space.root", "ünï.root", "large.bin")
WEB = httpx.Client(timeout=60)
LARGE = bytes(range(256)) * 4096 * 24  # 24 MiB: several parts for boto's transfers


class Shelf:
    def __init__(self):
        self.found = {}

    def find(self, request_id, name):
        return self.found.get((request_id, name))

    def has(self, request_id):
        return any(bucket == request_id for bucket, _ in self.found)

    def list(self, request_id, first):
        here = [one for (bucket, _), one in self.found.items() if bucket == request_id]
        return (one for one in sorted(here, key=lambda one: one.name) if one.name >= first)


@pytest.fixture(scope="module", params=["", "/services/columns"])
def store(request, tmp_path_factory):
    """(endpoint, objects, shelf) of a store with and without a path before it."""
    objects = Objects.of("", {}, tmp_path_factory.mktemp("store"))
    shelf = Shelf()

    def put(bucket, name, content):
        spool = objects.spool()
        os.write(spool.fd, content)
        size = objects.commit(spool, f"{bucket}/{name}")
        shelf.found[bucket, name] = Stored(name, f"{bucket}/{name}", size, 1_700_000_000.5)

    for name in NAMES:
        put(BUCKET, name, LARGE if name == "large.bin" else name.encode() * 10)
    put(OTHER, "secret.parquet", b"another's")

    def make(url):
        app = FastAPI()
        add_s3(app, request.param, shelf, objects, KEY)
        return app

    with listening(make) as url:
        yield f"{url}{request.param}", objects, shelf, put


def client(endpoint, bucket=BUCKET, seconds=3600, version=None, secret=None):
    access, own = signing.credentials(KEY, bucket, int(time.time()) + seconds)
    config = Config(retries={"max_attempts": 0}, signature_version=version)
    return boto3.client(
        "s3",
        endpoint_url=f"{endpoint}/s3",
        aws_access_key_id=access,
        aws_secret_access_key=secret or own,
        region_name="us-east-1",
        config=config,
    )


def code(answer):
    """The code of S3's error, which says which request it was."""
    assert answer.headers["content-type"].startswith("application/xml")
    error = ET.fromstring(answer.content)
    assert error.findtext("Message")
    assert error.findtext("RequestId") == answer.headers["x-amz-request-id"]
    return error.findtext("Code")


def link(endpoint, name, bucket=BUCKET):
    """An address for whoever has it."""
    end = int(time.time()) + 60
    signature = signing.link_signature(KEY, bucket, name, end)
    return f"{endpoint}/dl/{bucket}/{quote(name, safe='')}?exp={end}&sig={signature}"


@pytest.mark.parametrize("name", NAMES)
def test_boto_heads_gets_and_reads_ranges(store, name):
    s3 = client(store[0])
    content = LARGE if name == "large.bin" else name.encode() * 10
    head = s3.head_object(Bucket=BUCKET, Key=name)
    assert head["ContentLength"] == len(content)
    assert head["LastModified"].timestamp() == 1_700_000_000
    whole = s3.get_object(Bucket=BUCKET, Key=name)
    assert whole["Body"].read() == content
    assert whole["ETag"] == head["ETag"]
    part = s3.get_object(Bucket=BUCKET, Key=name, Range="bytes=3-9")
    assert part["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert part["ContentRange"] == f"bytes 3-9/{len(content)}"
    assert part["Body"].read() == content[3:10]
    assert s3.get_object(Bucket=BUCKET, Key=name, Range="bytes=-5")["Body"].read() == content[-5:]


def test_boto_downloads_in_parts(store, tmp_path):
    client(store[0]).download_file(BUCKET, "large.bin", str(tmp_path / "large"))
    assert (tmp_path / "large").read_bytes() == LARGE


def test_aioboto_as_the_official_client_uses_it(store, tmp_path):
    import aioboto3

    access, secret = signing.credentials(KEY, BUCKET, int(time.time()) + 60)

    async def fetch():
        async with aioboto3.Session().client(
            "s3",
            endpoint_url=f"{store[0]}/s3",
            aws_access_key_id=access,
            aws_secret_access_key=secret,
            region_name="us-east-1",
        ) as s3:
            listed = await s3.list_objects_v2(Bucket=BUCKET)
            await s3.download_file(BUCKET, "large.bin", str(tmp_path / "large"))
            return [one["Key"] for one in listed["Contents"]]

    assert asyncio.run(fetch()) == sorted(NAMES)
    assert (tmp_path / "large").read_bytes() == LARGE


def test_lists_come_in_pages(store):
    s3 = client(store[0])
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=BUCKET, PaginationConfig={"PageSize": 2}
    )
    found = [one["Key"] for page in pages for one in page["Contents"]]
    assert found == sorted(NAMES)
    assert [one["Key"] for one in s3.list_objects(Bucket=BUCKET)["Contents"]] == sorted(NAMES)
    some = s3.list_objects_v2(Bucket=BUCKET, Prefix="b:", MaxKeys=1)
    assert [one["Key"] for one in some["Contents"]] == ["b:c.parquet"]
    assert some["KeyCount"] == 1
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="zzz")["KeyCount"] == 0
    (sized,) = [one for one in s3.list_objects_v2(Bucket=BUCKET)["Contents"] if one["Size"] > 10**6]
    assert sized["Size"] == len(LARGE)
    listed = s3.list_objects_v2(Bucket=BUCKET, StartAfter="a.parquet", Prefix="")["Contents"]
    assert [one["Key"] for one in listed] == sorted(NAMES)[1:]
    for one in listed:
        head = s3.head_object(Bucket=BUCKET, Key=one["Key"])
        assert (head["ETag"], head["ContentLength"]) == (one["ETag"], one["Size"])
        assert one["LastModified"].timestamp() == 1_700_000_000.5
    older = s3.get_paginator("list_objects").paginate(
        Bucket=BUCKET, PaginationConfig={"PageSize": 3}
    )
    assert [one["Key"] for page in older for one in page["Contents"]] == sorted(NAMES)
    none = s3.list_objects_v2(Bucket=BUCKET, MaxKeys=0)
    assert (none["KeyCount"], none["IsTruncated"]) == (0, False)
    assert s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] is None
    s3.head_bucket(Bucket=BUCKET)


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize("operation", ["list_objects_v2", "list_objects"])
def test_lists_come_by_common_prefixes(store, operation, size):
    endpoint, _, _, put = store
    bucket = "0789-folders"
    names = ["0", "a-1", "a-2", "a-ü 3", "b", "c-1-x", "c-2", "ü-1", "ü-2"]
    for name in names:
        put(bucket, name, b"x")
    s3 = client(endpoint, bucket)

    def listed(**more):
        pages = list(
            s3.get_paginator(operation).paginate(
                Bucket=bucket, Delimiter="-", PaginationConfig={"PageSize": size}, **more
            )
        )
        assert all(
            len(one.get("Contents", [])) + len(one.get("CommonPrefixes", [])) <= size
            for one in pages
        )
        return (
            [one["Key"] for page in pages for one in page.get("Contents", [])],
            [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", [])],
        )

    assert listed() == (["0", "b"], ["a-", "c-", "ü-"])
    assert listed(Prefix="a-") == (["a-1", "a-2", "a-ü 3"], [])
    assert listed(Prefix="c-") == (["c-2"], ["c-1-"])
    assert listed(Prefix="zzz") == ([], [])


def test_what_is_no_list_is_refused(store):
    s3 = client(store[0], version="s3v4")
    for most in ("-1", "x", "9" * 5000, "٣"):
        url = s3.generate_presigned_url("list_objects", Params={"Bucket": BUCKET})
        assert WEB.get(url).status_code == 200
        access, secret = signing.credentials(KEY, BUCKET, int(time.time()) + 60)
        request = AWSRequest("GET", f"{store[0]}/s3/{BUCKET}?max-keys={quote(most)}")
        S3SigV4Auth(Credentials(access, secret), "s3", "us-east-1").add_auth(request)
        answer = WEB.get(request.url, headers=dict(request.headers))
        assert (answer.status_code, code(answer)) == (400, "InvalidArgument")


def refused(ask, expected):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        ask()
    assert caught.value.response["Error"]["Code"] == expected, caught.value


def test_what_is_not_there_or_not_theirs(store):
    s3 = client(store[0])
    refused(lambda: s3.get_object(Bucket=BUCKET, Key="nope"), "NoSuchKey")
    refused(lambda: s3.get_object(Bucket=BUCKET, Key="a/b/../../a.parquet"), "NoSuchKey")
    refused(lambda: s3.get_object(Bucket=OTHER, Key="secret.parquet"), "AccessDenied")
    refused(lambda: s3.list_objects_v2(Bucket=OTHER), "AccessDenied")
    refused(lambda: s3.list_buckets(), "AccessDenied")
    refused(lambda: s3.head_object(Bucket=BUCKET, Key="nope"), "404")
    assert code(WEB.get(f"{store[0]}/s3/{BUCKET}/a.parquet")) == "AccessDenied"
    refused(lambda: client(store[0], "9999").list_objects_v2(Bucket="9999"), "NoSuchBucket")
    refused(lambda: client(store[0], seconds=-9).list_objects_v2(Bucket=BUCKET), "ExpiredToken")
    wrong = client(store[0], secret="x" * 64)
    refused(lambda: wrong.list_objects_v2(Bucket=BUCKET), "SignatureDoesNotMatch")
    refused(
        lambda: s3.get_object(Bucket=BUCKET, Key="a.parquet", Range="bytes=999-"), "InvalidRange"
    )


def test_nothing_can_be_changed(store):
    s3 = client(store[0])
    for ask in (
        lambda: s3.put_object(Bucket=BUCKET, Key="a.parquet", Body=b"evil"),
        lambda: s3.delete_object(Bucket=BUCKET, Key="a.parquet"),
        lambda: s3.create_bucket(Bucket="new-bucket"),
        lambda: s3.create_multipart_upload(Bucket=BUCKET, Key="a"),
    ):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            ask()
        # Of a DELETE, boto does not read what the answer says.
        assert caught.value.response["Error"]["Code"] in ("MethodNotAllowed", "405")
    answer = WEB.delete(f"{store[0]}/s3/{BUCKET}/a.parquet")
    assert (answer.status_code, code(answer)) == (405, "MethodNotAllowed")
    assert s3.get_object(Bucket=BUCKET, Key="a.parquet")["Body"].read() == b"a.parquet" * 10


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize("name", NAMES[:4])
def test_presigned_urls(store, version, name):
    s3 = client(store[0], version=version)
    url = s3.generate_presigned_url(
        "get_object", Params={"Bucket": BUCKET, "Key": name}, ExpiresIn=600
    )
    assert WEB.get(url).content == name.encode() * 10
    assert WEB.get(url, headers={"Range": "bytes=0-3"}).content == name.encode()[:4]
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))

    def changed(**more):
        return parts._replace(query=urlencode({**query, **more})).geturl()

    later = str(int(time.time()) + 9999)
    tampered = (
        [
            changed(Expires=later),
            changed(Signature="AAAA"),
            changed(AWSAccessKeyId=f"{OTHER}.{later}"),
        ]
        if version == "s3"
        else [
            changed(**{"X-Amz-Expires": "9999"}),
            changed(**{"X-Amz-Signature": "0" * 64}),
            changed(**{"X-Amz-Credential": query["X-Amz-Credential"].replace(BUCKET, OTHER)}),
            changed(more="x"),
        ]
    )
    tampered.append(url.replace(quote(name, safe=""), "large.bin"))
    tampered.append(url.replace(f"/{BUCKET}/", f"/{OTHER}/"))
    for one in tampered:
        assert WEB.get(one).status_code == 403, one
    assert WEB.delete(url).status_code == 405
    assert WEB.post(url).status_code == 405


def test_urls_end(store):
    s3 = client(store[0], version="s3")
    about = {"Bucket": BUCKET, "Key": "a.parquet"}
    answer = WEB.get(s3.generate_presigned_url("get_object", Params=about, ExpiresIn=-5))
    assert (answer.status_code, code(answer)) == (403, "AccessDenied")
    # However long an URL says that it is good: its key ends.
    for version in ("s3", "s3v4"):
        s3 = client(store[0], seconds=-5, version=version)
        url = s3.generate_presigned_url("get_object", Params=about, ExpiresIn=600)
        assert code(WEB.get(url)) == "ExpiredToken"


def signed_headers(endpoint, moment):
    """Headers of a GET that was signed at some time."""
    access, secret = signing.credentials(KEY, BUCKET, int(time.time()) + 3600)
    request = AWSRequest("GET", f"{endpoint}/s3/{BUCKET}/a.parquet")
    auth = S3SigV4Auth(Credentials(access, secret), "s3", "us-east-1")
    request.context["timestamp"] = moment.strftime("%Y%m%dT%H%M%SZ")
    request.headers["X-Amz-Date"] = request.context["timestamp"]
    request.headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"
    canonical = auth.canonical_request(request)
    text = auth.string_to_sign(request, canonical)
    auth._inject_signature_to_request(request, auth.signature(text, request))
    return dict(request.headers)


@pytest.mark.parametrize(("minutes", "status"), [(0, 200), (-10, 200), (-20, 403), (20, 403)])
def test_clocks_may_differ_a_little(store, minutes, status):
    headers = signed_headers(store[0], datetime.now(UTC) + timedelta(minutes=minutes))
    answer = WEB.get(f"{store[0]}/s3/{BUCKET}/a.parquet", headers=headers)
    assert answer.status_code == status, answer.text
    if status == 403:
        assert "RequestTimeTooSkewed" in answer.text


def test_a_signature_is_good_for_its_request_only(store):
    headers = signed_headers(store[0], datetime.now(UTC))
    url = f"{store[0]}/s3/{BUCKET}"
    assert WEB.get(f"{url}/a.parquet", headers=headers).status_code == 200
    assert WEB.head(f"{url}/a.parquet", headers=headers).status_code == 403
    assert WEB.get(f"{url}/large.bin", headers=headers).status_code == 403
    assert WEB.get(f"{url}/a.parquet?x=1", headers=headers).status_code == 403
    assert WEB.put(f"{url}/a.parquet", headers=headers).status_code == 405


@pytest.mark.parametrize(
    ("header", "status", "length"),
    [
        ("bytes=0-0", 206, 1),
        ("bytes=5-", 206, 85),
        ("bytes=-1", 206, 1),
        ("bytes=0-9999", 206, 90),
        ("bytes=0-1,5-6", 200, 90),
        ("bytes=9-3", 200, 90),
        ("bytes=x", 200, 90),
        ("items=0-1", 200, 90),
        ("bytes=90-", 416, None),
        ("bytes=-0", 416, None),
    ],
)
def test_ranges_of_links(store, header, status, length):
    end = int(time.time()) + 60
    signature = signing.link_signature(KEY, BUCKET, "a.parquet", end)
    url = f"{store[0]}/dl/{BUCKET}/a.parquet?exp={end}&sig={signature}"
    answer = WEB.get(url, headers={"Range": header})
    assert answer.status_code == status
    if length:
        assert len(answer.content) == length
    else:
        assert answer.headers["content-range"] == "bytes */90"


def test_links(store):
    end = int(time.time()) + 60

    def link(bucket=BUCKET, name="a.parquet", end=end, signature=None):
        signature = signature or signing.link_signature(KEY, bucket, name, end)
        return f"{store[0]}/dl/{bucket}/{quote(name, safe='')}?exp={end}&sig={signature}"

    good = signing.link_signature(KEY, BUCKET, "a.parquet", end)
    for name in NAMES:
        assert WEB.get(link(name=name)).status_code == 200
    answer = WEB.get(link())
    again = WEB.get(link(), headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert WEB.head(link()).headers["content-length"] == "90"
    for bad in (
        link(end=end + 1, signature=good),
        link(name="large.bin", signature=good),
        link(bucket=OTHER, signature=good),
        link(signature="0" * 64),
        link(end=int(time.time()) - 5),
        link(signature="ü"),
        f"{store[0]}/dl/{BUCKET}/a.parquet",
        f"{store[0]}/dl/{BUCKET}/a.parquet?exp=1e9&sig={good}",
    ):
        assert WEB.get(bad).status_code == 403, bad
    assert WEB.get(link(name="gone")).status_code == 404
    assert WEB.get(link(name="../0456-def/secret.parquet")).status_code == 404


def test_an_object_that_is_removed_meanwhile(store):
    endpoint, objects, _, put = store
    put(BUCKET, "short.parquet", b"here")
    s3 = client(endpoint)
    assert s3.get_object(Bucket=BUCKET, Key="short.parquet")["Body"].read() == b"here"
    objects.delete(f"{BUCKET}/short.parquet")
    refused(lambda: s3.get_object(Bucket=BUCKET, Key="short.parquet"), "NoSuchKey")
    refused(lambda: s3.head_object(Bucket=BUCKET, Key="short.parquet"), "404")
    assert WEB.get(link(endpoint, "short.parquet")).status_code == 404


def test_who_has_begun_to_read_gets_the_rest_of_what_is_removed(store):
    endpoint, objects, _, put = store
    put(BUCKET, "going.bin", LARGE)
    with WEB.stream("GET", link(endpoint, "going.bin")) as answer:
        parts = answer.iter_raw(2**16)
        got = next(parts)
        objects.delete(f"{BUCKET}/going.bin")
        got += b"".join(parts)
    assert got == LARGE


def test_readers_do_not_wait_for_each_other(store, monkeypatch):
    """One that reads slowly, and a store that is slow, leave others alone."""
    endpoint, objects, _, _ = store
    at_it, go_on, opened = threading.Event(), threading.Event(), objects.open

    def slowly(key, ahead):
        if key.endswith("a.parquet"):
            at_it.set()
            assert go_on.wait(60)
        return opened(key, ahead)

    monkeypatch.setattr(objects, "open", slowly)
    got = []
    slow = threading.Thread(target=lambda: got.append(WEB.get(link(endpoint, "a.parquet"))))
    with WEB.stream("GET", link(endpoint, "large.bin")) as begun:
        parts = begun.iter_raw(2**16)
        begin = next(parts)
        slow.start()
        try:
            assert at_it.wait(30)
            assert WEB.get(link(endpoint, "large.bin")).content == LARGE
            assert WEB.get(link(endpoint, "with space.root")).status_code == 200
            assert not got
        finally:
            go_on.set()
            slow.join(30)
        assert begin + b"".join(parts) == LARGE
    assert got[0].content == b"a.parquet" * 10


def test_a_store_that_fails_is_told(store, monkeypatch):
    def broken(key, ahead):
        raise OSError("disk on fire at /secret/place")

    monkeypatch.setattr(store[1], "open", broken)
    answer = WEB.get(link(store[0], "a.parquet"))
    assert (answer.status_code, code(answer)) == (503, "SlowDown")
    assert "retry-after" in answer.headers
    assert "secret" not in answer.text


def test_conditions(store):
    url = link(store[0], "a.parquet")
    known = WEB.get(url).headers

    def status(**headers):
        return WEB.get(url, headers={k.replace("_", "-"): v for k, v in headers.items()})

    for same in (known["etag"], "*", f'"x", W/{known["etag"]}'):
        answer = status(If_None_Match=same)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == known["etag"]
    assert status(If_None_Match='"x"').status_code == 200
    assert status(If_Match=known["etag"], Range="bytes=0-1").status_code == 206
    answer = status(If_Match='"x"')
    assert (answer.status_code, code(answer)) == (412, "PreconditionFailed")
    # A part is of use to those only whose other parts are of the same object.
    for validator, expected in (
        (known["etag"], 206),
        (known["last-modified"], 206),
        ('"x"', 200),
        ("Tue, 01 Jan 2030 00:00:00 GMT", 200),
    ):
        assert status(If_Range=validator, Range="bytes=0-1").status_code == expected


def test_uproot_and_pyarrow_read_urls_by_ranges(store, tmp_path):
    endpoint, _, _, put = store
    with uproot.recreate(tmp_path / "x.root") as out:
        out.mktree("Events", {"x": "f8"}).extend({"x": [1.0, 2.0, 3.0]})
    pyarrow.parquet.write_table(pyarrow.table({"x": [1, 2, 3]}), tmp_path / "x.parquet")
    for name in ("x.root", "x.parquet"):
        put(BUCKET, name, (tmp_path / name).read_bytes())
    s3 = client(endpoint, version="s3v4")

    def url(name):
        return s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": name})

    with uproot.open({url("x.root"): "Events"}) as tree:
        assert tree["x"].array().tolist() == [1, 2, 3]
    with fsspec.open(url("x.parquet")) as stream:
        assert pyarrow.parquet.read_table(stream)["x"].to_pylist() == [1, 2, 3]


LATIN = st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f")
PARTS = st.text(LATIN, max_size=30).map(lambda text: quote(text, safe="/?&=%"))


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    path=PARTS,
    query=PARTS,
    headers=st.dictionaries(
        st.sampled_from(["Authorization", "X-Amz-Date", "Range", "If-Match", "Host"]),
        st.text(LATIN, max_size=30).map(lambda text: text.strip().encode("latin-1")),
        max_size=4,
    ),
    door=st.sampled_from(["s3/", f"s3/{BUCKET}", f"s3/{BUCKET}/", f"dl/{BUCKET}/"]),
    method=st.sampled_from(["GET", "HEAD", "PUT", "DELETE"]),
)
def test_no_request_is_a_mistake_of_the_services(store, path, query, headers, door, method):
    answer = WEB.request(method, f"{store[0]}/{door}{path}?{query}", headers=headers)
    assert answer.status_code in (400, 403, 404, 405, 422), answer.text
