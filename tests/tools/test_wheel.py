"""The distributions: a source distribution carries the panel, so that a wheel needs no Node."""

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

import get_uv
import lab

ROOT = Path(__file__).parents[2]
DATA = "casita-0.1.0.data/data/"
PANEL = f"{DATA}share/jupyter/labextensions/@casita/lab/"


def build(source: Path, target: Path, kind: str, **variables: str) -> Path:
    command = [get_uv.find_uv(ROOT), "build", "--quiet", f"--{kind}", "--out-dir", target, source]
    done = subprocess.run(
        [*command, "--build-constraint", ROOT / "requirements" / "build.txt"],
        env={**get_uv.tool_environment(), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return next(target.glob("*.tar.gz" if kind == "sdist" else "*.whl"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    return build(ROOT, tmp_path_factory.mktemp("sdist"), "sdist")


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """One made from the source distribution, where no registry of npm can be reached."""
    nowhere = {"YARN_NPM_REGISTRY_SERVER": "https://127.0.0.1:9"}
    return zipfile.ZipFile(build(sdist, tmp_path_factory.mktemp("wheel"), "wheel", **nowhere))


def test_a_source_distribution_has_the_bundle_and_all_it_is_made_of(sdist, tmp_path):
    shutil.unpack_archive(sdist, tmp_path)
    (root,) = tmp_path.iterdir()
    assert lab.is_current(root)
    assert not list(root.rglob("node_modules"))


def test_a_wheel_has_the_panel_once(wheel):
    names = [name for name in wheel.namelist() if name.endswith("lab/package.json")]
    assert names == [f"{PANEL}package.json"]
    package = json.loads(wheel.read(names[0]))
    assert f"{PANEL}{package['jupyterlab']['_build']['load']}" in wheel.namelist()
    assert json.loads(wheel.read(f"{PANEL}install.json"))["packageName"] == "casita"
    assert not [name for name in wheel.namelist() if name.endswith((".ts", ".tsx", "yarn.lock"))]


def test_a_wheel_turns_its_server_extensions_on(wheel):
    folder = f"{DATA}etc/jupyter/jupyter_server_config.d/"
    on = {}
    for name in wheel.namelist():
        if name.startswith(folder):
            on |= json.loads(wheel.read(name))["ServerApp"]["jpserver_extensions"]
    backends = ("casita_cache", "casita_clusters", "casita_columns")
    parts = ("casita.jupyter", *(f"{one}.handlers" for one in backends))
    assert on == dict.fromkeys(parts, True)
