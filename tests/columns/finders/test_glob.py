"""Files by pattern: as Python's glob finds them on a local tree, whatever lists the folders."""

import glob
import itertools
import os
from itertools import islice
from pathlib import Path

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from casita_columns.finders import (
    BadName,
    Context,
    Found,
    LookupFailed,
    NotThere,
    local_listing,
    registry,
)

from .conftest import paths

FINDER = registry({}, {})["xrootd"]
TREE = [
    "a.root",
    "b.root",
    "ab.root",
    "a b.root",
    "notes.txt",
    ".hidden.root",
    "[x].root",
    "{y}.root",
    "a/a.root",
    "a/b/a.root",
    "a/b/c/b.root",
    "a/.b/a.root",
    "b/a/a.root",
    "b/x.root/inside.root",
    "a.b/c.root",
    "ab/ab/ab/ab.root",
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("tree")
    for number, name in enumerate(TREE):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(bytes(number))
    (root / "empty").mkdir()
    (root / "linked").symlink_to(root / "ab")
    return root


def ours(pattern, context):
    try:
        return paths(FINDER.find(pattern, context))
    except (NotThere, BadName):  # nothing, or nothing but a folder
        return []


def theirs(patterns):
    found = {one for pattern in patterns for one in glob.glob(pattern, recursive=True)}  # noqa: PTH207
    # Of text: a Path would forget the slash with which glob calls a file a folder ("a.root/**").
    files = {os.path.normpath(one) for one in found if os.path.isfile(one)}  # noqa: PTH113
    return sorted(files, key=lambda one: one.split("/"))


CHUNK = st.sampled_from(["a", "b", "ab", ".", "*", "?", "[ab]", "[!a]", "root", ".root", "x", "["])
PART = st.just("**") | st.lists(CHUNK, min_size=1, max_size=3).map("".join)


# Not "..", and not a folder as the last, which for us is all that is in it.
PARTS = st.lists(PART, min_size=1, max_size=4).filter(
    lambda parts: ".." not in parts and parts[-1] != "."
)


@given(PARTS)
@example(["**"])
@example(["**", "*.root"])
@example(["**", "a", "**", "*.root"])
@example(["*", "**", "**", "a.root"])
@example(["a.root", "**"])
@example(["linked", "**", "*"])
def test_patterns_mean_what_they_mean_to_glob(tree, parts):
    pattern = "/".join([str(tree), *parts])
    with httpx.Client() as http:
        context = Context("alice", local_listing, http, Path("/nowhere"))
        assert ours(pattern, context) == theirs([pattern])


NAMES = st.sampled_from(["a", "b", "ab", "a/b", "*", "", "b/a", "x"])
CHOICES = st.lists(NAMES, min_size=2, max_size=3)


@given(CHOICES, CHOICES)
def test_braces_stand_for_each_of_their_alternatives(tree, first, second):
    pattern = f"{tree}/{{{','.join(first)}}}/{{{','.join(second)}}}.root"
    each = [f"{tree}/{one}/{two}.root" for one, two in itertools.product(first, second)]
    with httpx.Client() as http:
        context = Context("alice", local_listing, http, Path("/nowhere"))
        assert ours(pattern, context) == theirs(each)


def test_braces_in_braces(tree, context):
    assert ours(f"{tree}/{{a,{{b,a}}b}}.root", context) == [f"{tree}/a.root", f"{tree}/ab.root"]
    # Not alternatives: the name of a file.
    assert ours(f"{tree}/{{y}}.root", context) == [f"{tree}/{{y}}.root"]


def test_sizes_are_told(tree, context):
    assert list(FINDER.find(f"{tree}/ab.roo?", context)) == [
        Found((f"{tree}/ab.root",), size=TREE.index("ab.root"))
    ]


def test_a_plain_file(tree, context):
    assert ours(f"{tree}/a/b/a.root", context) == [f"{tree}/a/b/a.root"]
    assert ours(f"file://{tree}//a/./b/a.root", context) == [f"{tree}/a/b/a.root"]


def test_a_folder_with_a_slash_is_all_root_files_in_it(tree, context):
    assert ours(f"{tree}/a/", context) == theirs([f"{tree}/a/**/*.root"])
    assert ours(f"{tree}/a/.", context) == ours(f"{tree}/a/", context)
    assert ours(f"{tree}/a/", context) == [
        f"{tree}/a/a.root",
        f"{tree}/a/b/a.root",
        f"{tree}/a/b/c/b.root",
    ]
    assert ours(f"{tree}/{{a,b}}/", context) == theirs(
        [f"{tree}/a/**/*.root", f"{tree}/b/**/*.root"]
    )


def test_a_folder_without_a_slash_is_refused_with_the_remedy(tree, context):
    with pytest.raises(BadName) as refused:
        list(FINDER.find(f"{tree}/a", context))
    assert f"{tree}/a/ stands for all" in refused.value.hint


@pytest.mark.parametrize("name", ["empty/*.root", "empty/", "zzz*.root", "gone.root"])
def test_nothing_of_that_name(tree, context, name):
    with pytest.raises(NotThere, match="no file is called so"):
        list(FINDER.find(f"{tree}/{name}", context))


def test_a_folder_that_is_not_there_is_named(tree, context):
    with pytest.raises(NotThere) as missing:
        list(FINDER.find(f"{tree}/gone/further/*.root", context))
    assert missing.value.hint == f"there is no folder {tree}/gone/further"


@pytest.mark.parametrize(
    "name", ["nano.root", "*.root", "host//a.root", "root://host", "root://host/", "gsiftp://h/a"]
)
def test_what_is_no_path_is_refused(context, name):
    with pytest.raises(BadName, match="is no pattern of files"):
        list(FINDER.find(name, context))


def test_too_many_alternatives_are_refused(context):
    with pytest.raises(BadName, match="10000 patterns"):
        list(FINDER.find("/data/" + 20 * "{a,b}" + ".root", context))


@pytest.mark.parametrize("name", ["https://host/d/*.root", "davs://h/{a,b}", "https://host/d/"])
def test_web_servers_are_not_searched(context, name):
    with pytest.raises(BadName, match="not searched"):
        list(FINDER.find(name, context))


@pytest.mark.parametrize("name", ["https://host/a.root?x=1", "davs://host:8443/a.root"])
def test_a_plain_file_of_a_web_server(context, name):
    assert list(FINDER.find(name, context)) == [Found((name,))]


def test_links_in_circles_end_and_give_nothing_twice(tmp_path, context):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{folder}.root").touch()
    (tmp_path / "one" / "self").symlink_to(tmp_path / "one")
    (tmp_path / "one" / "up").symlink_to(tmp_path)
    (tmp_path / "one" / "other").symlink_to(tmp_path / "two")
    (tmp_path / "two" / "back").symlink_to(tmp_path / "one")
    (tmp_path / "two" / "broken").symlink_to(tmp_path / "nowhere")
    (tmp_path / "two" / "itself").symlink_to("itself")
    assert ours(f"{tmp_path}/**/*.root", context) == [
        f"{tmp_path}/one/one.root",
        f"{tmp_path}/one/other/two.root",
        f"{tmp_path}/two/back/one.root",
        f"{tmp_path}/two/two.root",
    ]


def test_only_plain_files_are_files(tmp_path, context):
    os.mkfifo(tmp_path / "pipe.root")
    (tmp_path / "gone.root").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.root").mkdir()
    (tmp_path / "file.root").touch()
    (tmp_path / "link.root").symlink_to(tmp_path / "file.root")
    assert ours(f"{tmp_path}/*.root", context) == [
        f"{tmp_path}/file.root",
        f"{tmp_path}/link.root",
    ]


@pytest.mark.parametrize("name", ["new\nline.root", os.fsdecode(b"\xff.root")])
def test_a_name_that_can_not_be_written_is_an_error_not_one_file_less(tmp_path, context, name):
    (tmp_path / name).touch()
    with pytest.raises(LookupFailed, match="has a name that can't be written"):
        list(FINDER.find(f"{tmp_path}/*.root", context))


def listing(folders, refused=()):
    """List made-up folders, and remember which."""
    asked = []

    def lister(url):
        asked.append(url)
        if url in refused:
            raise LookupFailed(f"{url} can't be listed: permission denied")
        if url not in folders:
            raise NotThere(f"there is no folder {url}")
        return folders[url]

    lister.asked = asked
    return lister


STORE = {
    "root://h//store": [("c", None, True), ("a", None, True), ("b", None, True)],
    "root://h//store/a": [("2.root", 20, False), ("1.root", 10, False)],
    "root://h//store/b": [("3.root", None, False)],
    "root://h//store/c": [("4.root", 40, False)],
}


def test_who_wants_the_first_files_has_no_more_listed(make_context):
    lister = listing(STORE)
    files = FINDER.find("root://h//store/*/*.root", make_context(list_directory=lister))
    assert list(islice(files, 2)) == [
        Found(("root://h//store/a/1.root",), 10),
        Found(("root://h//store/a/2.root",), 20),
    ]
    assert lister.asked == ["root://h//store", "root://h//store/a"]


def test_each_folder_is_listed_once_and_those_above_not_at_all(make_context):
    lister = listing(STORE)
    context = make_context(list_directory=lister)
    assert len(ours("root://h//store/{a,b,[ac]}/{1,2,*}.{root,ro*}", context)) == 4
    assert lister.asked == [f"root://h//store{one}" for one in ("", "/a", "/b", "/c")]


def test_a_folder_that_can_not_be_listed_is_an_error(make_context):
    lister = listing(STORE, refused=["root://h//store/b"])
    pattern = "root://h//store/*/*.root"
    with pytest.raises(LookupFailed, match=r"store/b can't be listed") as failed:
        list(FINDER.find(pattern, make_context(list_directory=lister)))
    assert "?get=available" in failed.value.hint
    available = make_context(list_directory=lister, get="available")
    assert len(ours(pattern, available)) == 3


def test_a_file_named_may_be_readable_where_its_folder_is_not(make_context):
    lister = listing({}, refused=["root://h//store/b"])
    context = make_context(list_directory=lister)
    assert ours("root://h//store/b/3.root", context) == ["root://h//store/b/3.root"]


def test_opaque_information_goes_with_every_request(make_context):
    lister = listing({"root://h//store/a?k=v": STORE["root://h//store/a"]})
    context = make_context(list_directory=lister)
    assert ours("root://h//store/a/?.root?k=v", context) == [
        "root://h//store/a/1.root?k=v",
        "root://h//store/a/2.root?k=v",
    ]


def test_a_search_without_end_ends(make_context):
    context = make_context(list_directory=lambda url: [("deeper", None, True)])
    with pytest.raises(LookupFailed, match="one in another"):
        list(FINDER.find("/data/**/*.root", context))
