"""What `casita up` and `casita doctor` say of a machine that isn't ready for several people."""

import sys
from pathlib import Path

from casita import doctor
from casita.config import FacilityConfig
from casita.site import prepare
from casita.testing import casita


def findings(state: Path, **tables) -> dict[str, doctor.Finding]:
    tables = {"facility": {}, **tables}
    tables["facility"]["profile"] = "multiuser"
    found = doctor.examine(prepare(FacilityConfig.model_validate(tables), state))
    return {one.subject: one for one in found}


def test_a_python_closed_to_others_is_refused_with_the_folder(tmp_path):
    assert tmp_path.parent.stat().st_mode & 0o001 == 0 or tmp_path.chmod(0o700) is None
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "pyvenv.cfg").write_text((Path(sys.prefix) / "pyvenv.cfg").read_text())
    (venv / "lib").symlink_to(Path(sys.prefix) / "lib")
    (venv / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    config = tmp_path / "casita.toml"
    config.write_text('[facility]\nprofile = "multiuser"\n')
    words = ("up", "--detach", "--config", config, "--state", tmp_path / "s")
    done = casita(*words, check=False, python=str(venv / "bin" / "python"))
    assert done.returncode == 1
    assert "is closed to them" in done.stderr
    assert "/opt/casita" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_missing_pam_open_network_strange_names_and_ports(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "PAM", tmp_path / "absent")
    found = findings(
        tmp_path / "s",
        facility={"host": "0.0.0.0", "port": 18000},
        login={"users": ["nobody-of-that-name"]},
    )
    assert found["PAM"].level == "error"
    assert "passwords travel in clear to 0.0.0.0:18000" in found["network"].detail
    assert "there is no account" in found["account nobody-of-that-name"].detail
    assert "adduser nobody-of-that-name" in found["account nobody-of-that-name"].remedy
    assert "any user of this machine may take it" in found["port 18000 (public)"].detail


def test_an_environment_that_others_can_change_makes_them_root(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv").chmod(0o777)
    found = findings(tmp_path / "s")["Python of root's processes"]
    assert found.level == "error"
    assert str(tmp_path / "venv") in found.detail
