"""``pip install casita`` alone, for a terminal outside the facility: the command line stands."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def uv(*words: object) -> None:
    """Run the uv that tools/ finds, with the settings that it makes of pip's."""
    spec = importlib.util.spec_from_file_location("get_uv", ROOT / "tools" / "get_uv.py")
    get_uv = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(get_uv)
    done = subprocess.run(
        [get_uv.find_uv(ROOT), "--quiet", *words],
        env=get_uv.tool_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def casita(tmp_path_factory):
    """The command of an installation without extras, in an empty home."""
    folder = tmp_path_factory.mktemp("alone")
    locks = ROOT / "requirements"
    options = ["--constraint", locks / "dev.txt", "--build-constraint", locks / "build.txt"]
    uv("venv", "--python", sys.executable, folder / "venv")
    uv("pip", "install", "--python", folder / "venv", *options, ROOT)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [folder / "venv" / "bin" / "casita", *words],
            env={"HOME": str(folder), "PATH": ""},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_every_command_has_its_help(casita):
    for words in ([], ["clusters"], ["token"], ["config"], ["data"]):
        done = casita(*words, "--help")
        assert (done.returncode, done.stderr) == (0, "")
        assert "Usage: casita" in done.stdout


def test_it_knows_what_it_is_not_connected_to(casita):
    done = casita("clusters", "list")
    assert done.returncode == 1
    assert done.stderr == "error: not logged in to a facility\nhint: casita login URL\n"


def test_wrong_usage_is_a_sentence_and_status_2(casita):
    for words in (["--nope"], ["nope"], ["token", "revoke"], ["logs", "x", "--lines", "y"]):
        done = casita(*words)
        assert done.returncode == 2
        assert "Error: " in done.stderr
        assert "Traceback" not in done.stderr


def test_what_an_extra_brings_is_named_with_its_extra(casita):
    done = casita("data", "fetch", "nano_tt_v15")
    assert done.returncode == 1
    assert "this command needs pypi_simple, which is not installed here" in done.stderr
    assert "hint: pip install 'casita[all]'" in done.stderr
