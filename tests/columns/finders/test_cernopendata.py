"""Records of CERN Open Data, from a portal on loopback that answers in the real one's form."""

import json
import os

import httpx
import pytest

from casita_columns.finders import BadName, Found, LookupFailed, NotThere, registry

from .conftest import paths

EOS = "root://eospublic.cern.ch//eos/opendata/cms/Run2016H/DoubleMuon/NANOAOD"


def file(name, size=1000, checksum="adler32:c9600ebc", **more):
    """A file as the portal describes it."""
    return {
        "availability": "online",
        "bucket": "6b4c8c3f-1d1f-4d0c-b5c8-a6d5c2a1e0aa",
        "checksum": checksum,
        "file_id": "0ce0f4a8-7b1a-4d4c-9a52-5e7d1f6b7c11",
        "key": name,
        "size": size,
        "tags": {},
        "type": "root",
        "uri": f"{EOS}/{name}",
        "version_id": "2a3f1c52-9a1f-4a6e-8cf3-2b7c0f0c9a55",
    } | more


def index(key, files):
    """An index of files as a record holds it."""
    return {
        "availability": {"online": len(files)},
        "bucket": "d6f2d1e0-3f9e-4a35-a0c6-5f0c3a1d2b77",
        "description": "DoubleMuon NANOAOD file index",
        "files": files,
        "key": key,
        "number_files": len(files),
        "size": sum(one["size"] for one in files),
    }


def record(number, files=(), indices=()):
    """A record as ``/api/records/ID`` answers."""
    return {
        "created": "2024-02-27T10:00:00.000000+00:00",
        "id": str(number),
        "links": {"self": f"https://opendata.cern.ch/api/records/{number}"},
        "metadata": {
            "$schema": "http://opendata.cern.ch/schema/records/record-v1.0.0.json",
            "recid": str(number),
            "title": "/DoubleMuon/Run2016H-UL2016_MiniAODv2_NanoAODv9-v1/NANOAOD",
            "type": {"primary": "Dataset", "secondary": ["Collision"]},
            "files": list(files),
            "_file_indices": list(indices),
        },
        "updated": "2024-02-27T10:00:00.000000+00:00",
    }


@pytest.fixture
def finder(loopback):
    return registry({"cernopendata": {"url": loopback.url}}, {})["cernopendata"]


def test_the_files_of_a_record_in_the_order_of_their_addresses(finder, loopback, context):
    loopback.answers["/api/records/1507"] = (
        200,
        record(
            1507,
            [
                file("b.root", 20, "adler32:00ab12cd"),
                file("a.root", 10, "00ab12ce"),  # some lack the kind
                file("readme.txt"),
                file("c.root", 30, "md5:d41d8cd98f00b204e9800998ecf8427e"),
                file("b.root", 20, "adler32:00ab12cd"),
            ],
        ),
    )
    assert list(finder.find("1507", context)) == [
        Found((f"{EOS}/a.root",), 10, 0, "00ab12ce"),
        Found((f"{EOS}/b.root",), 20, 0, "00ab12cd"),
        Found((f"{EOS}/c.root",), 30, 0, None),
    ]


def test_files_of_indices_with_and_without_their_files(finder, loopback, context):
    first, second, third = file("1.root"), file("2.root"), file("3.root")
    short = index("X_0001_file_index.json", [second])
    del short["files"]
    third_key = "X 0002_file_index.json"
    whole = index("X_0000_file_index.json", [first])
    loopback.answers |= {
        "/api/records/30522": (
            200,
            record(30522, [file("0.root")], [whole, short, {"key": third_key, "size": 1}]),
        ),
        "/record/30522/file_index/X_0001_file_index.json": (200, short | {"files": [second]}),
        # The file itself, as older portals give it.
        "/record/30522/file_index/X%200002_file_index.json": (
            200,
            [{key: third[key] for key in ("uri", "size", "checksum")}],
        ),
    }
    assert paths(finder.find("30522", context)) == [f"{EOS}/{n}.root" for n in range(4)]


def test_a_portal_is_asked_once_and_answers_from_then_on_without_a_route(finder, loopback, context):
    loopback.answers["/api/records/1507"] = 200, record(1507, [file("a.root")])
    assert paths(finder.find("1507", context)) == paths(finder.find("01507", context))
    assert loopback.paths() == ["/api/records/1507"]
    loopback.stop()
    assert paths(finder.find("1507", context)) == [f"{EOS}/a.root"]
    with pytest.raises(LookupFailed) as failed:
        list(finder.find("1508", context))
    assert "does not answer" in failed.value.message
    assert "1508.json in the folder backends.columns.finders.cernopendata.index" in str(
        failed.value
    )


def test_what_is_old_is_asked_for_again_if_the_portal_answers(finder, loopback, context):
    loopback.answers["/api/records/1"] = 200, record(1, [file("a.root")])
    list(finder.find("1", context))
    (kept,) = (context.directory / "cernopendata").iterdir()
    loopback.answers["/api/records/1"] = 200, record(1, [file("a.root"), file("b.root")])
    assert len(list(finder.find("1", context))) == 1
    os.utime(kept, (0, 0))
    assert len(list(finder.find("1", context))) == 2
    os.utime(kept, (0, 0))
    loopback.answers["/api/records/1"] = 503, b"<html>busy</html>"
    assert len(list(finder.find("1", context))) == 2


@pytest.mark.parametrize("broken", [b"", b"{", b"[1", b"null", b'{"metadata": 3}', b"\xff\xfe"])
def test_a_kept_record_that_is_broken_is_asked_for_again(finder, loopback, context, broken):
    loopback.answers["/api/records/1"] = 200, record(1, [file("a.root")])
    list(finder.find("1", context))
    (kept,) = (context.directory / "cernopendata").iterdir()
    kept.write_bytes(broken)
    assert paths(finder.find("1", context)) == [f"{EOS}/a.root"]
    assert json.loads(kept.read_bytes())


@pytest.mark.parametrize(
    "content",
    [
        record(7, [], [index("x_file_index.json", [file("a.root")])]),
        index("x_file_index.json", [file("a.root")]),
        [file("a.root")],
    ],
)
def test_an_operator_can_put_records_there(tmp_path, loopback, context, content):
    (tmp_path / "7.json").write_text(json.dumps(content))
    table = {"url": loopback.url, "index": tmp_path}
    finder = registry({"cernopendata": table}, {})["cernopendata"]
    loopback.stop()
    assert paths(finder.find("7", context)) == [f"{EOS}/a.root"]


@pytest.mark.parametrize(
    "name", ["", "x", "-1", "1.5", "1/../2", "../1", "1507/files", "\u0661", "1?x=1"]
)
def test_what_is_no_number_is_refused(finder, loopback, context, name):
    with pytest.raises(BadName, match="cernopendata://1507"):
        list(finder.find(name, context))
    assert loopback.asked == []


@pytest.mark.parametrize("status", [404, 410])
def test_a_record_that_is_not_there(finder, loopback, context, status):
    loopback.answers["/api/records/9"] = status, {"message": "The record has been deleted."}
    with pytest.raises(NotThere, match="no record 9"):
        list(finder.find("9", context))


def test_a_record_without_root_files(finder, loopback, context):
    loopback.answers["/api/records/9"] = 200, record(9, [file("a.csv")])
    with pytest.raises(NotThere, match="has no ROOT files"):
        list(finder.find("9", context))


@pytest.mark.parametrize(
    "answer", [(500, {}), (429, {}), (200, b"<html>maintenance</html>"), (200, b'"text"')]
)
def test_a_portal_that_does_not_answer_with_a_record(finder, loopback, context, answer):
    loopback.answers["/api/records/9"] = answer
    with pytest.raises(LookupFailed, match="try again later"):
        list(finder.find("9", context))
    assert not (context.directory / "cernopendata").exists()


def test_files_on_tape_are_an_error_unless_only_what_is_available_is_wanted(
    finder, loopback, context, make_context
):
    loopback.answers["/api/records/9"] = (
        200,
        record(9, [file("a.root"), file("b.root", availability="on demand"), file("c.root")]),
    )
    files = finder.find("9", context)
    assert next(files).paths == (f"{EOS}/a.root",)
    with pytest.raises(LookupFailed, match=r"b.root is on tape") as failed:
        next(files)
    assert f"{loopback.url}/record/9" in failed.value.hint
    available = paths(finder.find("9", make_context(get="available")))
    assert available == [f"{EOS}/a.root", f"{EOS}/c.root"]


def test_an_address_that_is_none_is_an_error(finder, loopback, context):
    loopback.answers["/api/records/9"] = 200, record(9, [file("a.root", uri="gopher://x/a.root")])
    with pytest.raises(LookupFailed, match="gopher://x/a.root"):
        list(finder.find("9", context))


def test_a_portal_that_hangs_up(finder, loopback, make_context):
    def broken(handler, _):
        return 200, b"{}", {"Content-Length": 100, "Connection": "close"}

    loopback.answers["/api/records/9"] = broken
    with httpx.Client(timeout=1, trust_env=False) as http, pytest.raises(LookupFailed):
        list(finder.find("9", make_context(http=http)))
