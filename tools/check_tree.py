"""Check that no file of the repository names a package registry's host or a path of a machine.

    python3 tools/check_tree.py [FOLDER]

Both tie a project to the place where it was written: mirrors and paths are for each site to say.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RULES = {
    "a package registry's host": re.compile(
        r"\bpy(?:pi|thonhosted)\.(?:org|io|python)|\bregistry\.(?:npm|yarn)\w*\."
        r"|\b(?:deb|security|snapshot|archive)\.(?:debian|ubuntu)\.|\bcrates\.io|\bproxy\.golang\.",
        re.IGNORECASE,
    ),
    "a path of one machine": re.compile(
        r"(?<![\w.$}])/(?:root|work|home/(?!jovyan|alice|bob)\w+|Users/\w+)/\w"
    ),
}
LOCK_RULES = {"an address": re.compile(r"\w+://")}
"""For locks, besides: where packages come from is not their business."""


def main() -> None:
    """Print each finding as FILE:LINE and exit with status 1 if there is one."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    found = [finding for path in committed(root) for finding in examine(root, path)]
    print("\n".join(found) or "no registry hosts, no machine paths")
    sys.exit(bool(found))


def committed(root: Path) -> list[Path]:
    """Return the files that git knows, or would take, relative to ``root``."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return sorted(Path(name) for name in listed.split("\0") if name and (root / name).is_file())


def examine(root: Path, path: Path) -> Iterator[str]:
    """Yield what is wrong with one file; binary ones pass."""
    lock = path.parts[0] == "requirements" or path.name == "yarn.lock"
    rules = {**RULES, **LOCK_RULES} if lock else RULES
    try:
        text = (root / path).read_text()
    except UnicodeDecodeError:
        return
    for number, line in enumerate(text.splitlines(), start=1):
        for what, pattern in rules.items():
            if match := pattern.search(line):
                yield f"{path}:{number}: {what}: {match.group()}"


if __name__ == "__main__":
    main()
