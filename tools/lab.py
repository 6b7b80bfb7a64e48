"""Build JupyterLab's panel: extensions/lab/labextension from the TypeScript beside it.

    python3 tools/lab.py

Does nothing when the bundle is of the sources as they are, which a stamp inside it tells.  The
bundle is made from a copy of the sources, so that an edit meanwhile can't get half into it, and
replaces the one before as a whole.  Standard library only.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from get_uv import SetupError
from node import ROOT, digest, install, only_one, run, tool_python

STAMP = "sources.sha256"
"""A file of the bundle, with the hash of what it was made from."""
SOURCES = (
    *("package.json", "yarn.lock", ".yarnrc.yml", "tsconfig.json", "install.json"),
    *("schema", "src", "style"),
)
"""All that decides how the bundle comes out."""


def main() -> None:
    """Build the bundle, if need be."""
    try:
        build(ROOT)
    except SetupError as error:
        sys.exit(f"error: {error}")


def folder_of(root: Path) -> Path:
    """Return the panel's folder in a checkout."""
    return root / "extensions" / "lab"


def fingerprint(folder: Path) -> str:
    """Return a hash of the sources in ``folder``, names and contents."""
    inside = (path for name in SOURCES for path in [folder / name, *(folder / name).rglob("*")])
    files = sorted(path for path in inside if path.is_file())
    names = "\n".join(str(path.relative_to(folder)) for path in files)
    return digest(files, names)


def is_current(root: Path) -> bool:
    """Whether there is a bundle, made from the sources as they are."""
    stamp = folder_of(root) / "labextension" / STAMP
    return stamp.exists() and stamp.read_text() == fingerprint(folder_of(root))


def build(root: Path, python: Path | None = None) -> None:
    """Build the bundle unless it is current.

    Parameters
    ----------
    python
        One that has the packages of requirements/lab.txt; by default that of ``.venv-lab``.

    Raises
    ------
    SetupError
        A source has an error, or there is no route to a registry.  The bundle is as before.
    """
    if is_current(root):
        return
    with only_one():
        if not is_current(root):  # a run that we waited for may have made it
            print("building JupyterLab's panel", flush=True)
            _build(folder_of(root), python or tool_python(root))


def _build(folder: Path, python: Path) -> None:
    install(folder, python)
    for old in folder.glob(".build-*"):
        shutil.rmtree(old, ignore_errors=True)  # of a run that was killed
    with tempfile.TemporaryDirectory(prefix=".build-", dir=folder) as name:
        copy = Path(name)
        for source in SOURCES:
            if (folder / source).is_dir():
                shutil.copytree(folder / source, copy / source)
            elif (folder / source).exists():
                shutil.copy2(folder / source, copy / source)
        (copy / "node_modules").symlink_to(folder / "node_modules")
        run(python, copy, str(folder / "node_modules" / ".bin" / "tsc"))
        run(python, copy, "jupyter-builder", "build", ".")
        shutil.copy2(copy / "install.json", copy / "labextension")  # says how to uninstall it
        (copy / "labextension" / STAMP).write_text(fingerprint(copy))
        if (folder / "labextension").exists():
            (folder / "labextension").rename(copy / "old")
        (copy / "labextension").rename(folder / "labextension")


if __name__ == "__main__":
    main()
