"""tools/check_tree.py: names of hosts and machine paths don't get in."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# In pieces, so that this file passes itself.
REGISTRY = "pypi" + ".org"
MIRROR = "deb." + "debian" + ".org"
HOME = "/home" + "/carla/x"


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "tools" / "check_tree.py", folder]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def repository(tmp_path):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "requirements").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("file", "text", "finding"),
    [
        ("a.md", f"see https://{REGISTRY}/p", f"a.md:1: a package registry's host: {REGISTRY}"),
        ("b/c.py", f"x = 1\nurl = '{MIRROR}'", "b/c.py:2: a package registry's host"),
        ("run.sh", f"cd {HOME}", "run.sh:1: a path of one machine: /home"),
        ("requirements/x.txt", "a @ https://example.org/a", "requirements/x.txt:1: an address"),
        ("lab/yarn.lock", "resolved https://example.org/a", "lab/yarn.lock:1: an address"),
    ],
)
def test_a_finding_names_file_and_line(repository, file, text, finding):
    (repository / file).parent.mkdir(exist_ok=True)
    (repository / file).write_text(text)
    done = check(repository)
    assert done.returncode == 1
    assert done.stdout.startswith(finding)


def test_harmless_text_and_binary_files_pass(repository):
    (repository / "a.md").write_text("https://example.org/~/x $HOME/work/a homework/root")
    (repository / "b.bin").write_bytes(b"\xff\xfe" + REGISTRY.encode())
    (repository / ".gitignore").write_text("ignored\n")
    (repository / "ignored").write_text(REGISTRY)
    done = check(repository)
    assert (done.returncode, done.stdout) == (0, "no registry hosts, no machine paths\n")
