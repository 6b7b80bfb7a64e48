"""The state directory: private, kept, and refused with a reason."""

import os
import socket
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from casita import site as module
from casita.backend import Backend, load_backends
from casita.config import FacilityConfig
from casita.errors import StateError
from casita.files import write_atomic
from casita.ports import choose_ports, first_open_port
from casita.site import Site, open_site, prepare


def test_state_is_private_and_kept(tmp_path):
    first = prepare(FacilityConfig(), tmp_path / "state")
    secret = first.secret("x")
    assert len(bytes.fromhex(secret)) == 32
    again = open_site(tmp_path / "state")
    assert again.ports == first.ports
    assert again.config == first.config
    assert again.secret("x") == secret
    assert prepare(FacilityConfig(), tmp_path / "state").ports == first.ports
    for path in [tmp_path / "state", *(tmp_path / "state").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_secret_is_one_however_many_processes_ask_at_once(tmp_path):
    """The programs of a facility start together, and two of them share a secret."""
    site = prepare(FacilityConfig(), tmp_path)
    with ThreadPoolExecutor(16) as pool:
        for number in range(50):
            found = set(pool.map(lambda _, name=f"s{number}": site.secret(name), range(16)))
            assert len(found) == 1
            assert len(found.pop()) == 64
    assert len(list((tmp_path / "secrets").iterdir())) == 50


def test_all_ports_differ(tmp_path):
    ports = prepare(FacilityConfig(), tmp_path).ports
    assert set(ports) == {*module.PORTS, "columns.service"}
    assert len(set(ports.values())) == len(ports)


def test_fixed_ports_win_over_kept_ones_and_kept_over_free():
    ports = choose_ports(["a", "b", "c"], {"a": 8000}, {"a": 1, "b": 9000})
    assert ports["a"] == 8000
    assert ports["b"] == 9000
    assert ports["c"] not in (0, 8000, 9000)


def test_a_forgotten_port_is_chosen_anew(tmp_path):
    before = prepare(FacilityConfig(), tmp_path).ports
    with socket.socket() as held:
        held.bind(("127.0.0.1", before["hub"]))
        after = prepare(FacilityConfig(), tmp_path, forget_ports=["hub"]).ports
    assert after["hub"] != before["hub"]
    assert {k: v for k, v in after.items() if k != "hub"} == {
        k: v for k, v in before.items() if k != "hub"
    }


def test_no_facility_here(tmp_path):
    with pytest.raises(StateError, match="no facility in .*casita up"):
        open_site(tmp_path)


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "state").write_text("")
    with pytest.raises(StateError, match=r"state: can't be used as a folder"):
        prepare(FacilityConfig(), tmp_path / "state")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to own somebody else's folder")
def test_somebody_elses_folder_is_refused(tmp_path):
    os.chown(tmp_path, 12345, 12345)
    with pytest.raises(StateError, match="belongs to uid 12345"):
        prepare(FacilityConfig(), tmp_path)


def test_a_long_state_path_still_gets_a_socket(tmp_path):
    long = tmp_path / ("x" * 100)
    site = prepare(FacilityConfig(), long)
    site.make_runtime()
    assert len(os.fsencode(site.socket)) < 104
    assert stat.S_IMODE(site.socket.parent.stat().st_mode) == 0o700
    site.runtime.rmdir()


def test_a_folder_for_sockets_that_is_somebody_elses_is_refused(tmp_path, monkeypatch):
    site = prepare(FacilityConfig(), tmp_path / "state")
    (tmp_path / "theirs").mkdir()
    monkeypatch.setattr(Site, "runtime", property(lambda _: tmp_path / "link"))
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    with pytest.raises(StateError, match="can't be used as a folder"):
        site.make_runtime()


@pytest.mark.skipif(os.getuid() != 0, reason="root only: takes ports below 1024")
def test_ports_of_root_are_chosen_for_several_people(tmp_path):
    several = FacilityConfig.model_validate({"facility": {"profile": "multiuser"}})
    ports = prepare(several, tmp_path / "state").ports
    assert max(ports.values()) < first_open_port()
    assert len(set(ports.values())) == len(ports)


def test_atomic_write_leaves_the_old_content_when_the_disk_is_full(tmp_path, monkeypatch):
    path = tmp_path / "f"
    write_atomic(path, "old")

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match="No space left on device.*free some space"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_a_backend_installed_since_the_last_up_has_no_place_yet(tmp_path, monkeypatch):
    prepare(FacilityConfig(), tmp_path)
    installed = {**load_backends(), "new": Backend(name="new", title="New", ports=("web",))}
    monkeypatch.setattr(module, "load_backends", lambda: installed)
    assert "new" not in open_site(tmp_path).backends
    again = prepare(FacilityConfig(), tmp_path)
    assert again.place(installed["new"]).ports["web"] == again.ports["new.web"]
    assert "new" in open_site(tmp_path).backends
