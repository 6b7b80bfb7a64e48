"""tools/bootstrap.py in a checkout of its own with a lock of one small package."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lab
import node

ROOT = Path(__file__).parents[2]
BIN = Path(".venv") / "bin"
TRANSFORM = Path(".venv") / "transform" / "bin" / "python"
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "casita"
version = "1"
[tool.hatch.build.targets.wheel]
packages = ["code/casita"]
dev-mode-dirs = ["code"]
shared-data = { "data" = "share/data" }
"""


def pinned(package: str) -> str:
    """The lines of one package in the lock of everything."""
    lock = (ROOT / "requirements" / "dev.txt").read_text()
    return re.search(rf"^{package}==.*?(?=^\S)", lock, re.DOTALL | re.MULTILINE).group()


class Checkout:
    """A project like ours, only smaller."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "tools", folder / "tools")
        for name in ("build.txt", "lab.txt", "uv.txt"):
            self.write(f"requirements/{name}", (ROOT / "requirements" / name).read_text())
        self.write("requirements/all.txt", pinned("tomli-w"))
        self.write("requirements/transform.txt", pinned("iniconfig"))
        self.write("requirements/dev.txt", pinned("tomli-w") + pinned("iniconfig"))
        self.write("pyproject.toml", PROJECT)
        self.write("code/casita/__init__.py", "")
        self.write("data/file", "1")
        for name in ("package.json", "yarn.lock", ".yarnrc.yml"):
            self.write(f"extensions/lab/{name}", "")
            self.write(f"tests/lab/{name}", "")
        installed = node.digest([folder / "tests/lab/package.json"] * 3)
        self.write("tests/lab/node_modules/.casita-lock", installed)
        self.panel = folder / "extensions" / "lab" / "labextension" / lab.STAMP
        self.write(str(self.panel), lab.fingerprint(folder / "extensions" / "lab"))

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def bootstrap(self, environment: str = "all") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, self.folder / "tools" / "bootstrap.py", environment],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def imports(self, *modules: str, python: Path = BIN / "python") -> bool:
        command = [self.folder / python, "-c", f"import {','.join(modules)}"]
        return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0


@pytest.fixture
def checkout(tmp_path):
    """One with its smaller environment made."""
    checkout = Checkout(tmp_path)
    done = checkout.bootstrap()
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^ +\d+\.\d s  environment \(uv \d", done.stdout, re.MULTILINE)
    assert checkout.imports("tomli_w", "casita")
    return checkout


def test_a_second_run_has_nothing_to_do(checkout):
    assert checkout.bootstrap().stdout.endswith(" s  environment (nothing to do)\n")


def test_the_wider_environment_serves_both(checkout):
    assert not checkout.imports("iniconfig")
    checkout.bootstrap("dev")
    assert checkout.imports("tomli_w", "iniconfig")
    assert "nothing to do" in checkout.bootstrap("all").stdout


def test_users_code_has_an_environment_of_its_own(checkout):
    assert checkout.imports("iniconfig", python=TRANSFORM)
    assert not checkout.imports("iniconfig")
    assert not checkout.imports("tomli_w", python=TRANSFORM)
    assert not checkout.imports("casita", python=TRANSFORM)
    checkout.write("requirements/transform.txt", pinned("iniconfig") + pinned("tomli-w"))
    assert "installing requirements/transform.txt into .venv/transform" in (
        checkout.bootstrap().stdout
    )
    assert checkout.imports("iniconfig", "tomli_w", python=TRANSFORM)


def test_the_environment_for_users_code_is_made_again_when_it_is_gone(checkout):
    checkout.bootstrap("dev")
    shutil.rmtree(checkout.folder / ".venv" / "transform")
    done = checkout.bootstrap("all")
    assert (done.returncode, done.stderr) == (0, "")
    assert "anew" not in done.stdout
    assert checkout.imports("iniconfig", python=TRANSFORM)
    assert checkout.imports("iniconfig")  # it is still the wider one
    assert "nothing to do" in checkout.bootstrap("dev").stdout


def test_what_an_editable_install_copies_is_copied_again_when_it_changes(checkout):
    checkout.write("data/file", "2")
    checkout.bootstrap()
    assert (checkout.folder / ".venv/share/data/file").read_text() == "2"


def test_a_run_that_did_not_finish_is_repaired(checkout):
    (checkout.folder / ".venv" / "casita-unfinished").touch()
    shutil.rmtree(next(checkout.folder.glob(".venv/lib/*/site-packages/tomli_w")))
    assert "making .venv anew: an earlier run did not finish" in checkout.bootstrap().stdout
    assert checkout.imports("tomli_w")


def test_a_checkout_that_was_moved_gets_commands_that_run(checkout):
    checkout.folder = checkout.folder.rename(checkout.folder.with_name("moved"))
    assert "making .venv anew: it was made in" in checkout.bootstrap().stdout
    assert checkout.imports("tomli_w", "casita")


def test_a_facility_does_without_a_panel_that_can_t_be_built_and_tests_do_not(checkout):
    lock = checkout.folder / "requirements" / "lab.txt"
    good = lock.read_text()
    lock.write_text(re.sub("sha256:.{8}", "sha256:00000000", good))
    stamp = checkout.panel.read_text()
    checkout.write(str(checkout.panel), "of other sources")
    checkout.write("data/file", "2")
    for _ in range(2):  # the second tries again
        done = checkout.bootstrap()
        assert (done.returncode, done.stderr) == (0, "")
        assert "warning: JupyterLab comes without the Facility panel" in done.stdout
    done = checkout.bootstrap("dev")
    assert done.returncode == 1
    assert "error: `uv pip` failed" in done.stderr
    assert "Hash mismatch" in done.stderr
    assert checkout.imports("tomli_w", "iniconfig")  # all but the panel is there
    checkout.write(str(checkout.panel), stamp)
    done = checkout.bootstrap("dev")
    assert (done.returncode, done.stderr) == (0, "")
    assert "anew" not in done.stdout


@pytest.mark.parametrize("lock", ["all", "build", "transform"])
def test_a_package_with_another_hash_is_refused(checkout, lock):
    text = (checkout.folder / f"requirements/{lock}.txt").read_text()
    checkout.write(f"requirements/{lock}.txt", re.sub("sha256:.{8}", "sha256:00000000", text))
    shutil.rmtree(checkout.folder / ".venv")
    done = checkout.bootstrap()
    assert done.returncode == 1
    assert "Hash mismatch" in done.stdout
    assert done.stderr.startswith("error: `uv pip` failed, as said above\nhint: ")
    assert not (checkout.folder / ".venv" / "casita-environment.json").exists()
