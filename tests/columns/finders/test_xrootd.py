"""Files of a real XRootD server, by pattern."""

import os
import subprocess
import sys

import pytest

from casita.ports import free_ports
from casita_columns.finders import (
    BadName,
    Found,
    LookupFailed,
    NotThere,
    local_listing,
    registry,
    xrootd_listing,
)

from ...cache.conftest import plain_origin
from .conftest import paths

FINDER = registry({}, {})["xrootd"]


@pytest.fixture(scope="module")
def origin(world):
    """A server's address, and the folder that it exports."""
    folder = world / "finders"
    names = ["run1/nano_1.root", "run1/nano_2.root", "run1/deep/er/nano_3.root", "run2/nano_4.root"]
    names += ["run2/notes.txt", "run2/.hidden.root", "run2/run2/with space.root"]
    for number, name in enumerate(names):
        file = folder / "store" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(number))
    (folder / "store" / "run1" / "round").symlink_to(folder / "store" / "run1")
    for one in [folder, *folder.rglob("*")]:
        one.chmod(0o755 if one.is_dir() else 0o644)
    with plain_origin(world, folder) as (port, _):
        yield f"root://127.0.0.1:{port}/", folder


@pytest.fixture
def remote(make_context):
    return make_context(list_directory=xrootd_listing)


@pytest.mark.parametrize(
    "pattern",
    [
        "/store/run?/nano_*.root",
        "/store/run2/**/*",
        "/store/run{1,2}/nano_[24].root",
        "/store/run1/deep/",
        "/store/run2/",
        "/store/run1/nano_1.root",
        "/store/*/*/*/*.root",
        "/store/run2/run2/with space.root",
    ],
)
def test_a_server_finds_what_its_own_disk_has(origin, remote, context, pattern):
    server, folder = origin
    found = list(FINDER.find(f"{server}{pattern}", remote))
    local = list(FINDER.find(f"{folder}{pattern}", context))
    assert found
    assert found == [Found((one.paths[0].replace(f"{folder}", server),), one.size) for one in local]


def test_links_in_circles_end(origin, remote):
    server, _ = origin
    found = paths(FINDER.find(f"{server}/store/run1/**/nano_1.root", remote))
    # A server doesn't say what is a link: one round is gone before it is noticed.
    assert found[0] == f"{server}/store/run1/nano_1.root"
    assert len(found) <= 2


def test_folders_of_the_same_name_are_no_circle(origin, remote):
    server, _ = origin
    assert paths(FINDER.find(f"{server}/store/run2/**/with*", remote)) == [
        f"{server}/store/run2/run2/with space.root"
    ]


def test_a_listing_is_that_of_the_disk(origin):
    server, folder = origin
    assert sorted(xrootd_listing(f"{server}/store/run2")) == sorted(
        local_listing(f"{folder}/store/run2")
    )
    assert xrootd_listing(f"{server}/store/run2/?some=thing") == xrootd_listing(
        f"{server}/store/run2"
    )


def test_what_is_not_there(origin, remote):
    server, _ = origin
    with pytest.raises(NotThere) as missing:
        list(FINDER.find(f"{server}/store/run9/*.root", remote))
    assert missing.value.hint == f"there is no folder {server}/store/run9"
    with pytest.raises(NotThere):
        list(FINDER.find(f"{server}/store/run1/nano_9.root", remote))
    with pytest.raises(BadName):
        xrootd_listing("https://host/store")


def test_what_the_server_does_not_export_can_not_be_listed(origin, remote):
    server, _ = origin
    with pytest.raises(LookupFailed, match="can't be listed"):
        list(FINDER.find(f"{server}/etc/*", remote))


def test_a_server_that_is_not_there():
    code = f"""
from casita_columns.finders import LookupFailed, xrootd_listing
try:
    xrootd_listing("root://127.0.0.1:{free_ports(1)[0]}//store")
except LookupFailed as error:
    print(error)
"""
    quick = {"XRD_CONNECTIONWINDOW": "1", "XRD_CONNECTIONRETRY": "1", "XRD_REQUESTTIMEOUT": "5"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | quick,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "can't be listed" in done.stdout
    assert "try again in a moment" in done.stdout
