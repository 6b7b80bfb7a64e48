"""tools/system_packages.py on machines of every kind, made of a PATH with stand-ins."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APT = """#!/bin/sh
echo "$@" >> {log}
all="chromium xrootd bwrap"
case "$*" in *install*) cd {bin}; for p in $all; do echo > $p; chmod +x $p; done;; esac
"""


@pytest.fixture
def machine(tmp_path):
    """Runs the tool with only these programs on PATH, and returns what it printed."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def run(**programs: str) -> str:
        for name, text in programs.items():
            path = folder / name.replace("_", "-")
            path.write_text(text.format(log=tmp_path / "log", bin=folder))
            path.chmod(0o755)
        for name in ("env", "sh", "true", "chmod"):
            (folder / name).symlink_to(shutil.which(name))
        done = subprocess.run(
            [sys.executable, ROOT / "tools" / "system_packages.py"],
            env={"PATH": str(folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")  # it never stops a run
        return done.stdout

    return run


def as_root(apt: str) -> dict[str, str]:
    """Programs with which the tool can act as root, whoever runs this test."""
    return {"apt_get": apt, "sudo": '#!/bin/sh\nshift\nexec "$@"\n'}


def test_nothing_is_said_when_all_is_there(machine):
    assert machine(chromium="#!/bin/sh", xrootd="#!/bin/sh", bwrap="#!/bin/sh") == ""


def test_without_apt_it_says_what_is_missing_what_is_skipped_and_what_to_type(machine):
    said = machine(xrootd="#!/bin/sh")
    assert "XRootD" not in said
    assert "Chromium is missing: the tests in tests/browser are skipped" in said
    assert "sudo apt-get install chromium" in said


@pytest.mark.skipif(os.getuid() == 0, reason="root needs no sudo")
def test_a_sudo_that_asks_for_a_password_is_not_used(machine, tmp_path):
    assert "is missing" in machine(apt_get=APT, sudo="#!/bin/sh\nexit 1\n")
    assert not (tmp_path / "log").exists()


def test_what_is_missing_is_installed(machine, tmp_path):
    said = machine(**as_root(APT))
    assert "missing" not in said
    update, install = (tmp_path / "log").read_text().splitlines()
    assert update.split()[:2] == ["--quiet", "update"]
    assert install.startswith("install --yes --no-install-recommends chromium xrootd-server")


def test_an_apt_that_fails_does_not_stop_the_tests(machine):
    said = machine(**as_root("#!/bin/sh\necho 'E: no route to the archive' >&2\nexit 100\n"))
    assert "are skipped (apt-get: E: no route to the archive)" in said
    assert "sudo apt-get install chromium" in said
