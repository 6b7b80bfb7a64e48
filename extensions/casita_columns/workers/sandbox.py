"""The walls around users' code: a command that starts a child within them.

bubblewrap (https://github.com/containers/bubblewrap) gives it namespaces of its own: no network, no
other process, and a file system that holds nothing but its Python, read-only, and an empty ``/tmp``
in memory.  What it reads and writes comes as open files.  The limits on memory, CPU time and files,
and the filter of system calls, it puts on itself before it sees any of that code
(:mod:`casita_columns.transform.confine`): they hold where bubblewrap can't run, too.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from casita.errors import CasitaError

TRANSFORM = Path(__file__).parent.parent / "transform"
SCRATCH_BYTES = 512 * 2**20
"""Size of the child's ``/tmp``; it counts as memory of this machine."""
SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin")
FILES = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime")
PROBE_SECONDS = 20
PROCESSES = 64
"""Of a child, and threads."""
COUNTED_ALONE = (5, 14)
"""The version of Linux since which those of a user namespace are counted by themselves."""


@dataclass(frozen=True)
class Limits:
    """What one child may use."""

    memory: int
    """Bytes of address space."""
    cpu: int
    """Seconds of CPU time for one file."""
    output: int
    """Bytes of the largest file."""
    seconds: float
    """Wall-clock time for one file."""


@dataclass(frozen=True)
class Sandbox:
    """How children are started.

    Parameters
    ----------
    python
        The interpreter that runs users' code.
    confined
        Whether bubblewrap is used.
    """

    python: Path
    confined: bool

    def command(self, limits: Limits) -> list[str]:
        """Return the command of one child."""
        own = [str(self.python), "-I", str(TRANSFORM / "start.py")]
        own += [f"--memory={limits.memory}", f"--cpu={limits.cpu}", f"--output={limits.output}"]
        if not self.confined:
            return own
        if _kernel() >= COUNTED_ALONE:
            own.append(f"--processes={PROCESSES}")
        return [*bubblewrap(self.python), *own]

    @staticmethod
    def environment() -> dict[str, str]:
        """Return all that a child finds in its environment."""
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": "/tmp",
            "TMPDIR": "/tmp",
            "LANG": "C.UTF-8",
            # One file is one core's work: others are at work beside it.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "NUMBA_NUM_THREADS": "1",
            # Memory goes from one step to the next: to have the system clear it takes a tenth of
            # the time.
            "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
            "MALLOC_TRIM_THRESHOLD_": str(512 * 2**20),
        }


def sandbox(python: Path, wanted: str) -> Sandbox:
    """Return how children are started here.

    Parameters
    ----------
    wanted
        ``auto``, ``bubblewrap`` or ``none``.

    Raises
    ------
    CasitaError
        bubblewrap is wanted and can't run.
    """
    trouble = "" if wanted == "none" else missing(python)
    if wanted == "bubblewrap" and trouble:
        raise CasitaError(
            f"users' code can't be confined: {trouble}",
            hint="install bubblewrap (apt-get install bubblewrap) and let it make user namespaces, "
            'or set backends.columns.sandbox = "auto"',
        )
    return Sandbox(python, wanted != "none" and not trouble)


@functools.cache
def missing(python: Path) -> str:
    """Return why bubblewrap can't be used with an interpreter, or ""."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    try:
        done = subprocess.run(
            [*bubblewrap(python), str(python), "-I", "-c", ""],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_SECONDS,
            check=False,
            env=Sandbox.environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not run: {error}"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["bubblewrap does not run"])[-1]
    return ""


def has_filter(python: Path) -> bool:
    """Whether an interpreter can refuse system calls, by pyseccomp and libseccomp."""
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", "import pyseccomp"],
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=False,
            env=Sandbox.environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def bubblewrap(python: Path) -> list[str]:
    """Return the command that builds the walls."""
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    command += ["--uid", "65534", "--gid", "65534", "--hostname", "sandbox"]
    command += ["--proc", "/proc", "--dev", "/dev"]
    command += ["--size", str(SCRATCH_BYTES), "--tmpfs", "/tmp", "--chdir", "/tmp"]
    for folder in SYSTEM:
        command += _as_here(folder)
    for path in (*FILES, *_homes(python), str(TRANSFORM)):
        command += ["--ro-bind-try", path, path]
    # /dev is a file system in memory, too, as large as half of it.
    return [*command, "--remount-ro", "/dev", "--remount-ro", "/", "--"]


def _kernel() -> tuple[int, ...]:
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int(re.match(r"\d+", minor)[0])  # type: ignore[index]


def _as_here(folder: str) -> list[str]:
    """Return how a folder of the system appears: a link where it is one."""
    if not Path(folder).exists():
        return []
    if Path(folder).is_symlink():
        return ["--symlink", os.readlink(folder), folder]  # noqa: PTH115 (as it is written)
    return ["--ro-bind", folder, folder]


def _homes(python: Path) -> list[str]:
    """Return the folders of an interpreter: its environment, and the Python that this is made of.

    Outside /usr, which is there anyhow.
    """
    found = dict.fromkeys((python.parent.parent, python.resolve().parent.parent))
    return [str(one) for one in found if not one.is_relative_to("/usr")]


def interpreter(named: Path | None, prefix: Path) -> Path:
    """Return the interpreter that runs users' code.

    Parameters
    ----------
    named
        From the configuration.
    prefix
        ``sys.prefix`` of the facility.
    """
    if named is not None:
        return named
    own = prefix / "transform" / "bin" / "python"
    return own if own.exists() else prefix / "bin" / "python"
