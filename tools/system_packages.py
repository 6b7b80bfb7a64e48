"""See to the programs that tests need and pip can't bring: install them, or say what is missing.

    python3 tools/system_packages.py

With root or passwordless sudo on Debian and its kin missing ones are installed; elsewhere the
command to type is printed.  Never fails: tests whose program is missing are skipped by name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Program:
    """Something that tests need."""

    title: str
    binaries: tuple[str, ...]
    """Any of these on PATH will do."""
    packages: tuple[str, ...]
    """Of Debian."""
    without: str
    """What does not happen without it."""

    @property
    def missing(self) -> bool:
        """Whether it is not on this machine."""
        return not any(map(shutil.which, self.binaries))


PROGRAMS = (
    Program(
        "Chromium",
        ("chromium", "chromium-browser"),
        ("chromium",),
        "the tests in tests/browser are skipped",
    ),
    Program(
        "XRootD's server",
        ("xrootd",),
        ("xrootd-server", "iproute2"),
        "the test of root:// in tests/data/test_inputs.py is skipped",
    ),
    Program(
        "bubblewrap",
        ("bwrap",),
        ("bubblewrap",),
        "the tests of the sandbox in tests/columns and tests/multiuser are skipped",
    ),
)


def main() -> None:
    """Install what is missing, and report what still is."""
    missing = [one for one in PROGRAMS if one.missing]
    if not missing:
        return
    began = time.monotonic()
    packages = [package for one in missing for package in one.packages]
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    prefix = root_prefix()
    if prefix is not None and shutil.which("apt-get"):
        print(f"installing {', '.join(one.title for one in missing)} with apt-get", flush=True)
        trouble = apt(prefix, ["apt-get", "--quiet", "update"]) or apt(prefix, command)
        print(f"{time.monotonic() - began:7.1f} s  system packages", flush=True)
    else:
        trouble = "neither root nor passwordless sudo with apt-get here"
    report([one for one in missing if one.missing], trouble)


def report(missing: Iterable[Program], trouble: str) -> None:
    """Say what is missing, what follows from it, and what to type."""
    for one in missing:
        print(f"{one.title} is missing: {one.without} ({trouble})")
        print(f"  to have it: sudo apt-get install {' '.join(one.packages)}", flush=True)


def root_prefix() -> list[str] | None:
    """Return what to put before a command to run it as root; None if that can't be done."""
    if os.getuid() == 0:
        return []
    if shutil.which("sudo") and not run(["sudo", "--non-interactive", "true"]).returncode:
        return ["sudo", "--non-interactive"]
    return None


def apt(prefix: Sequence[str], command: Sequence[str]) -> str:
    """Run apt-get; return "" or its last line of complaint."""
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive"]
    done = run([*prefix, *quiet, *command, "-o", "DPkg::Lock::Timeout=300"])
    said = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
    return f"apt-get: {said[-1]}" if done.returncode else ""


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command that must not ask anything."""
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


if __name__ == "__main__":
    main()
