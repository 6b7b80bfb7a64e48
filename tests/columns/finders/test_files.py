"""Lists of files."""

import pytest

from casita_columns.finders import BadName, Found, registry

from .conftest import paths

FINDER = registry({"user": {"files": 1000}}, {})["user"]


def test_files_keep_their_order_and_get_one_spelling(context):
    given = [
        "/data/z.root",
        "root://host//store/b.root",
        "root://host:1095/store/c.root",
        "file:///data/a.root",
        "  /data/with space.root ",
        "https://host/x.root?token=1",
        "davs://host:8443/y.root",
        "xroots://host//store/d.root",
    ]
    assert list(FINDER.find("\n".join(given), context)) == [
        Found((one,))
        for one in (
            "/data/z.root",
            "root://host//store/b.root",
            "root://host:1095//store/c.root",
            "/data/a.root",
            "/data/with space.root",
            "https://host/x.root?token=1",
            "davs://host:8443/y.root",
            "xroots://host//store/d.root",
        )
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "nano.root",
        "./nano.root",
        "~/nano.root",
        "file://nano.root",
        "file:nano.root",
        "gsiftp://host/nano.root",
        "s3://bucket/nano.root",
        "root://host",
        "root:///store/nano.root",
        "root://host//",
        "https://host",
        "https:///nano.root",
        "/data/na\x00no.root",
        "/data/\udc80.root",
        "//host/share.root",
        "/" + 5000 * "a",
        "javascript:alert(1)",
    ],
)
def test_the_first_that_is_no_file_is_named(context, wrong):
    with pytest.raises(BadName) as refused:
        list(FINDER.find("\n".join(["/data/good.root", wrong, "worse"]), context))
    assert "number 2" in refused.value.message
    assert wrong[:200] in refused.value.message or repr(wrong[:200]) in refused.value.message
    assert "root://host//path" in refused.value.hint


@pytest.mark.parametrize("again", ["/data/a.root", "file:///data/a.root", " /data/a.root"])
def test_a_file_given_twice_is_refused(context, again):
    with pytest.raises(BadName, match=r"'/data/a.root' \(number 3\) is there twice"):
        list(FINDER.find("\n".join(["/data/a.root", "/data/b.root", again]), context))


def test_there_may_not_be_none_or_too_many(context):
    with pytest.raises(BadName, match="has 0 files"):
        list(FINDER.find("", context))
    some = [f"/data/{number}.root" for number in range(1001)]
    assert paths(FINDER.find("\n".join(some[:1000]), context)) == some[:1000]
    with pytest.raises(BadName, match="has 1001 files"):
        list(FINDER.find("\n".join(some), context))
