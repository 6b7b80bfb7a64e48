"""The store of results: whole objects or none, in a folder and in what fsspec knows."""

import os
import signal
import stat
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from casita.errors import CasitaError, MissingError, ServiceError
from casita.testing import wait_for
from casita_columns.store.objects import Folder, Objects, Remote, checked

REQUEST = "0b5a0f7e-1111"


@pytest.fixture(params=["folder", "file", "path", "memory", "s3"])
def store(request, tmp_path):
    """Each kind of store that a facility may name."""
    if request.param == "s3":
        server = request.getfixturevalue("s3_server")
        return Objects.of(server.new(), server.options, tmp_path / "own")
    url = {
        "folder": "",
        "file": f"file://{tmp_path / 'other'}",
        "path": str(tmp_path / "other"),
        "memory": f"memory://{uuid.uuid4().hex}/results",
    }[request.param]
    return Objects.of(url, {}, tmp_path / "own")


def put(store, key, content):
    spool = store.spool()
    os.write(spool.fd, content)
    return store.commit(spool, key)


def held(store):
    """Bytes of all objects of a store."""
    if isinstance(store, Folder):
        return sum(one.stat().st_size for one in store._root.glob("*/*"))
    try:
        return store._system.du(store._root)
    except FileNotFoundError:
        return 0


def content(store, key):
    with store.open(key) as stream:
        return stream.read()


def test_an_object_is_what_was_written(store):
    made = bytes(range(256)) * 9000  # 2.3 MB
    assert put(store, f"{REQUEST}/a b:ü.parquet", made) == len(made)
    assert put(store, f"{REQUEST}/empty", b"") == 0
    assert store.size(f"{REQUEST}/a b:ü.parquet") == len(made)
    assert held(store) == len(made)
    with store.open(f"{REQUEST}/a b:ü.parquet") as stream:
        stream.seek(1000)
        assert stream.read(5) == made[1000:1005]
        stream.seek(-3, os.SEEK_END)
        assert stream.read() == made[-3:]
    assert content(store, f"{REQUEST}/empty") == b""


def test_a_later_object_takes_the_place_of_an_earlier_one(store):
    put(store, f"{REQUEST}/a", b"earlier")
    with store.open(f"{REQUEST}/a") as begun:
        put(store, f"{REQUEST}/a", b"later, longer")
        if isinstance(store, Folder):
            assert begun.read() == b"earlier"
    assert content(store, f"{REQUEST}/a") == b"later, longer"
    assert held(store) == len(b"later, longer")


def test_objects_are_removed_one_by_one(store):
    for name in ("a", "b", "c"):
        put(store, f"{REQUEST}/{name}", b"12345")
    put(store, "another/a", b"another's")
    store.delete(f"{REQUEST}/a")
    store.delete(f"{REQUEST}/a")  # it is gone already
    store.delete("nobody/nothing")
    with pytest.raises(MissingError):
        store.open(f"{REQUEST}/a")
    assert held(store) == 10 + 9
    for name in ("b", "c"):
        store.delete(f"{REQUEST}/{name}")
        with pytest.raises(MissingError):
            store.size(f"{REQUEST}/{name}")
    assert content(store, "another/a") == b"another's"
    put(store, f"{REQUEST}/a", b"again")
    assert content(store, f"{REQUEST}/a") == b"again"


def test_what_is_being_made_is_private_and_seen_by_nobody(store):
    spool = store.spool()
    os.write(spool.fd, b"half")
    assert stat.S_IMODE(spool.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(spool.path.parent.stat().st_mode) == 0o700
    assert held(store) == 0
    with pytest.raises(MissingError):
        store.open(f"{REQUEST}/a")
    store.discard(spool)
    assert not spool.path.exists()


def test_another_process_writes_into_a_spool(store):
    spool = store.spool()
    code = "import os, sys; os.write(int(sys.argv[1]), b'by another')"
    subprocess.run([sys.executable, "-c", code, str(spool.fd)], pass_fds=[spool.fd], check=True)
    assert os.pread(spool.fd, 100, 0) == b"by another"
    assert store.commit(spool, f"{REQUEST}/a") == 10
    assert content(store, f"{REQUEST}/a") == b"by another"


def test_throwing_a_spool_away_twice_closes_nobody_elses_file(store, tmp_path):
    spool = store.spool()
    number = spool.fd
    with (tmp_path / "others").open("wb") as others:
        store.commit(spool, f"{REQUEST}/a")
        os.dup2(others.fileno(), number)  # the number is in use again, as by another thread
        try:
            store.discard(spool)
            os.fstat(number)
        finally:
            os.close(number)
    assert content(store, f"{REQUEST}/a") == b""


def test_sweeping_leaves_objects(store):
    put(store, f"{REQUEST}/a", b"kept")
    left = [store.spool() for _ in range(3)]
    for one in left:
        one.close()  # as the kernel does for a killed service
    store.sweep()
    assert not any(one.path.exists() for one in left)
    assert content(store, f"{REQUEST}/a") == b"kept"


BAD = [
    *("", "a", "/", "a/", "/a", "a//b", "a/b/c", "../a", "a/..", "./a", "a/.", "..", "/etc/passwd"),
    *("a\\b/c", "a/b\\..\\c", "a/b\0", "a\0/b", "a/b\n", "a/\ud800"),
]


@pytest.mark.parametrize("key", BAD)
def test_keys_that_are_not_two_names_are_of_no_object(store, key):
    for ask in (store.open, store.size, store.delete):
        with pytest.raises(MissingError):
            ask(key)
    spool = store.spool()
    with pytest.raises(MissingError):
        store.commit(spool, key)
    store.discard(spool)
    assert held(store) == 0


@given(st.text(st.sampled_from("ab./\\\0 é\n"), max_size=12))
def test_a_key_never_leads_out_of_the_store(key):
    try:
        checked(key)
    except MissingError:
        return
    root = "/store/objects"
    path = os.path.normpath(f"{root}/{key}")
    assert path == f"{root}/{key}"
    assert path.count("/") == root.count("/") + 2


def test_a_name_too_long_for_the_disk_is_of_no_object(tmp_path):
    store = Objects.of("", {}, tmp_path)
    with pytest.raises(MissingError):
        store.open(f"{REQUEST}/{'x' * 300}")
    spool = store.spool()
    with pytest.raises(CasitaError, match="can't be kept"):
        store.commit(spool, f"{REQUEST}/{'x' * 300}")
    store.discard(spool)


WRITER = """
import os, sys
from pathlib import Path
from casita_columns.store.objects import Objects
store = Objects.of("", {}, Path(sys.argv[1]))
part = b"x" * 2**20
for number in range(100_000):
    spool = store.spool()
    for _ in range(4):
        os.write(spool.fd, part)
    store.commit(spool, f"request/{number % 20}")
"""


def test_a_killed_service_leaves_whole_objects_only(tmp_path):
    whole = 4 * 2**20
    store = Objects.of("", {}, tmp_path)
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)])
        try:
            before = {one: one.stat().st_mtime_ns for one in tmp_path.glob("objects/*/*")}

            def seen(before=before, writer=writer):
                assert writer.poll() is None
                found = {one: one.stat() for one in tmp_path.glob("objects/*/*")}
                assert {one.st_size for one in found.values()} <= {whole}
                return sum(before.get(path) != one.st_mtime_ns for path, one in found.items()) > 3

            wait_for(seen, 60, "new objects")
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.wait(30)
        assert {one.stat().st_size for one in tmp_path.glob("objects/*/*")} == {whole}
    store.sweep()
    assert list((tmp_path / "spool").iterdir()) == []
    assert held(store) == whole * len(list(tmp_path.glob("objects/*/*")))


def test_the_last_object_of_a_request_may_go_while_another_comes(tmp_path):
    store = Objects.of("", {}, tmp_path)
    failed = []

    def come_and_go(name):
        try:
            for _ in range(100):
                put(store, f"{REQUEST}/{name}", b"x")
                store.delete(f"{REQUEST}/{name}")
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=come_and_go, args=(name,)) for name in "abc"]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert not failed
    assert held(store) == 0


class Broken(MemoryFileSystem):
    """A store that is down, with a library whose errors nobody knows."""

    protocol = "broken"

    class EndpointError(Exception):
        pass

    def _down(self, *args, **kwargs):
        raise self.EndpointError("could not connect")

    makedirs = put_file = open = size = rm_file = rm = du = info = _down


def test_a_store_that_is_down_is_told(tmp_path):
    fsspec.register_implementation("broken", Broken, clobber=True)
    store = Objects.of("broken://bucket", {}, tmp_path)
    assert isinstance(store, Remote)
    spool = store.spool()
    os.write(spool.fd, b"precious")
    for ask in (
        lambda: store.commit(spool, f"{REQUEST}/a"),
        lambda: store.open(f"{REQUEST}/a"),
        lambda: store.size(f"{REQUEST}/a"),
        lambda: store.delete(f"{REQUEST}/a"),
    ):
        with pytest.raises(ServiceError, match=r"does not answer \(EndpointError\)"):
            ask()
    assert spool.path.read_bytes() == b"precious"  # to be tried again
    store.discard(spool)


def test_a_store_that_nobody_knows_is_told_with_its_setting(tmp_path):
    with pytest.raises(CasitaError, match=r"backends\.columns\.store: nope://x"):
        Objects.of("nope://x", {}, tmp_path)


def test_spools_of_a_remote_store_are_local(tmp_path):
    store = Objects.of("memory://somewhere", {}, tmp_path)
    spool = store.spool()
    assert Path(tmp_path) in spool.path.parents
    store.discard(spool)
