"""tools/xrootd_aside.py: what it reads and writes for apt, and a machine without a route."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "xrootd_aside.py"
LISTED = """\
'http://m.example/debian/dists/stable/InRelease' m.example_debian_dists_stable_InRelease 0
'http://m.example/debian/dists/stable/main/binary-amd64/Packages.xz' m.example_Packages 0
'http://m.example/debian/dists/stable-updates/InRelease' m.example_updates 0
'http://m.example/debian-security/dists/stable-security/InRelease' m.example_security 0
'https://other.example/apt/dists/tools-stable/InRelease' other.example_InRelease 0
'http://m.example/debian/dists/testing/InRelease' m.example_testing 0
"""


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("xrootd_aside", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("version", "numbers", "will_do"),
    [
        ("6.2.0-2", (6, 2, 0), True),
        ("5.9.3-1+b2", (5, 9, 3), True),
        ("1:5.10.0~rc1-1", (5, 10, 0), True),
        ("5.9.2-1", (5, 9, 2), False),
        ("5.5.3-1", (5, 5, 3), False),
        ("", (), False),
        ("(none)", (), False),
    ],
)
def test_versions_compare_by_their_numbers(tool, version, numbers, will_do):
    assert tool.parts(version) == numbers
    assert (numbers >= tool.WANTED) is will_do


def test_the_version_is_the_one_that_apt_would_install(tool):
    policy = "xrootd-server:\n  Installed: (none)\n  Candidate: 6.2.0-2\n  Version table:\n"
    assert tool.candidate(policy) == "6.2.0-2"
    assert tool.candidate(policy.replace("6.2.0-2", "(none)")) == ""
    assert tool.candidate("") == ""


def test_the_mirror_is_the_machine_s_own_of_the_archive_and_no_other(tool):
    assert tool.debian_mirrors(LISTED) == ["http://m.example/debian"]
    assert tool.debian_mirrors("") == []


def test_the_line_for_apt_names_debian_s_keys(tool):
    assert tool.sources_line("http://m.example/debian", "testing", "amd64") == (
        "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
        " http://m.example/debian testing main\n"
    )


def run(into: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, TOOL, "--into", into],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_one_that_is_there_is_taken_as_it_is(tmp_path):
    launcher = tmp_path / "aside" / "bin" / "xrootd"
    launcher.parent.mkdir(parents=True)
    launcher.touch()
    done = run(tmp_path / "aside", PATH="")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{launcher}\n", "")


def test_without_debian_s_tools_one_sentence_says_so(tmp_path):
    done = run(tmp_path / "aside", PATH="")
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert "apt-get, which is missing" in line
    assert not (tmp_path / "aside").exists()


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "notes").write_text("mine")
    done = run(tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"error: no newer XRootD here: {tmp_path} holds something else\n"
    assert (tmp_path / "notes").read_text() == "mine"


def test_a_download_that_fails_leaves_nothing_behind(tool, tmp_path, monkeypatch):
    def no_route(folder: Path) -> list[Path]:
        (folder / "half").mkdir(parents=True)
        raise tool.AsideError("no route")

    monkeypatch.setattr(tool, "fetch", no_route)
    monkeypatch.setattr(tool, "KEYRING", tmp_path)
    monkeypatch.setattr(tool.shutil, "which", lambda program: program)
    with pytest.raises(tool.AsideError, match="no route"):
        tool.get(tmp_path / "into" / "aside")
    assert [path.name for path in (tmp_path / "into").iterdir()] == [".aside.lock"]
