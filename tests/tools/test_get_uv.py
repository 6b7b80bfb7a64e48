"""tools/get_uv.py: uv from wherever it can be had, with the settings that people gave pip."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def get_uv():
    spec = importlib.util.spec_from_file_location("get_uv", ROOT / "tools" / "get_uv.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """Writes pip's configuration file of a person who has set nothing else."""
    for name in ("PIP_INDEX_URL", "PIP_CERT", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "pip.conf"
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    return file.write_text


def test_a_mirror_and_an_authority_that_pip_knows_hold_for_uv(get_uv, settings):
    settings("[global]\nindex-url = https://m.example/simple\n[install]\ncert = /etc/ca.pem\n")
    told = get_uv.tool_environment()
    assert told["UV_DEFAULT_INDEX"] == "https://m.example/simple"
    assert told["SSL_CERT_FILE"] == "/etc/ca.pem"


def test_a_variable_wins_over_a_file_and_uv_s_own_over_pip_s(get_uv, settings, monkeypatch):
    settings("[global]\nindex-url = https://file.example/simple\n")
    monkeypatch.setenv("PIP_INDEX_URL", "https://pip.example/simple")
    assert get_uv.tool_environment()["UV_DEFAULT_INDEX"] == "https://pip.example/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://uv.example/simple")
    assert get_uv.tool_environment()["UV_DEFAULT_INDEX"] == "https://uv.example/simple"
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    monkeypatch.setenv("UV_INDEX_URL", "https://old.example/simple")
    assert "UV_DEFAULT_INDEX" not in get_uv.tool_environment()


def test_a_uv_on_path_is_taken_unless_it_is_too_old(get_uv, monkeypatch, tmp_path):
    lock = tmp_path / "requirements" / "uv.txt"
    lock.parent.mkdir()
    lock.write_text("uv==1.2.3 \\\n")

    def stand_in(path: Path, version: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\necho uv {version}\n")
        path.chmod(0o755)
        return path

    on_path = stand_in(tmp_path / "bin" / "uv", "0.5.0")
    monkeypatch.setenv("PATH", str(on_path.parent))
    assert get_uv.find_uv(tmp_path) == on_path
    stand_in(on_path, "0.4.30")
    private = stand_in(tmp_path / get_uv.FOLDER / "bin" / "uv", "1.2.3")
    assert get_uv.find_uv(tmp_path) == private


def test_without_any_way_every_reason_is_given(get_uv, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(get_uv.SetupError) as caught:
        get_uv.fetch_uv(ROOT / "requirements" / "uv.txt", tmp_path)
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()[1:]] == [
        "  own pip",
        "  fresh pip",
        "  debian pip",
        "hint",
    ]


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="not a Debian: no apt-get")
def test_debian_s_bare_python_runs_the_pip_of_a_package(get_uv, tmp_path):
    try:
        command = get_uv.debian_pip(tmp_path)
    except get_uv.SetupError as error:
        pytest.skip(f"apt-get has no route to its archive: {error}")
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert str(tmp_path) in done.stdout
