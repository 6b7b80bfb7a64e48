"""Make ``.venv`` from a hash-pinned lock, with nothing but a Python to start from.

    python3 tools/bootstrap.py ENVIRONMENT

ENVIRONMENT is the name of a lock in requirements/: ``all`` runs a facility, ``dev`` tests it too.
JupyterLab's panel is built meanwhile; a facility does without it if need be.  Standard library
only, since it runs before anything is installed.  A second run with nothing changed does nothing;
one that was interrupted is repaired by the next.
"""

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

if sys.version_info < (3, 11):  # noqa: UP036 (run by whatever Python is there)
    sys.exit(
        f"error: casita needs Python 3.11 or newer and {sys.executable} is "
        f"{sys.version_info[0]}.{sys.version_info[1]}\nhint: make PYTHON=/path/to/python3.11 ..."
    )

import tomllib

import lab
import node
from get_uv import SetupError, find_uv, tool_environment

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "casita-environment.json"
UNFINISHED = VENV / "casita-unfinished"
WIDEST = "dev"
"""The lock that holds every other one, so that one ``.venv`` serves the demo and the tests."""
WHOLE = ("all", WIDEST)
"""Environments in which a whole facility runs."""
APART = {"build", "lab", "postgresql", "s3", "transform", "uv"}
"""Locks that are no environments of the facility's own."""
TRANSFORM = VENV / "transform"
"""Where users' code runs in a whole facility: what it needs can't be in the same environment."""


def main() -> None:
    """Bring ``.venv`` up to date."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    known = sorted(path.stem for path in (ROOT / "requirements").glob("*.txt"))
    parser.add_argument("environment", choices=sorted({*known} - APART))
    environment = parser.parse_args().environment
    began = time.monotonic()
    try:
        with only_one():
            made = make(environment)
    except SetupError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; the next run starts over from the package cache")
    steps = ", ".join(f"{name} {seconds:.1f}" for name, seconds in made.items())
    print(
        f"{time.monotonic() - began:7.1f} s  environment ({steps or 'nothing to do'})", flush=True
    )


@contextmanager
def only_one() -> Iterator[None]:
    """Let two runs in one checkout take turns.

    What runs inside inherits the lock, so that a uv that outlives a killed run is waited for.
    """
    with Path(__file__).open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        os.set_inheritable(stream.fileno(), True)
        yield


def make(environment: str) -> dict[str, float]:
    """Install ``environment`` unless it is there; return the seconds of each step done.

    Raises
    ------
    SetupError
        A package can't be installed, or ``environment`` is to be tested and lacks the panel.
    """
    asked, there = environment, installed()
    if WIDEST in there:
        environment = WIDEST  # never shrinks, and never leaves half of it old
    wanted = fingerprint(environment)
    if there.get(environment) == wanted:
        return {}
    seconds: dict[str, float] = {}
    with timed(seconds, "uv"):
        uv = [str(find_uv(ROOT))]
    with ThreadPoolExecutor(1) as beside:
        panel = beside.submit(make_panel, environment)
        python = make_packages(uv, environment, seconds)
        if environment in WHOLE:
            make_transform(uv, seconds)
        with timed(seconds, "panel"):
            trouble = panel.exception()
    if trouble and not isinstance(trouble, SetupError):
        raise trouble
    with timed(seconds, "casita"):
        build = str(ROOT / "requirements" / "build.txt")
        options = ["--no-deps", "--reinstall-package", "casita", "--build-constraint", build]
        command = [*uv, "pip", "install", "--python", python, *options, "--editable", str(ROOT)]
        run(command, {"CASITA_WITHOUT_PANEL": "1"} if trouble else {})
    if trouble:
        wanted = "without the panel"  # the next run tries again
    STAMP.write_text(json.dumps({environment: wanted, "folder": str(ROOT)}))
    UNFINISHED.unlink()
    if trouble and asked == WIDEST:
        raise trouble
    if trouble:
        print(
            "warning: JupyterLab comes without the Facility panel, which could not be built: "
            "`python3 tools/lab.py` says why, and the next run tries again",
            flush=True,
        )
    return seconds


def make_packages(uv: list[str], environment: str, seconds: dict[str, float]) -> str:
    """Install the packages of a lock; return the Python that has them."""
    VENV.mkdir(exist_ok=True)
    UNFINISHED.touch()
    python = VENV / "bin" / "python"
    if not python.exists():
        with timed(seconds, "interpreter"):
            run([*uv, "venv", "--allow-existing", "--python", sys.executable, str(VENV)])
    lock = ROOT / "requirements" / f"{environment}.txt"
    with timed(seconds, "packages"):
        print(f"installing {lock.relative_to(ROOT)} into {VENV.name}", flush=True)
        # Compiled once: users of a shared facility can't write here, and would do it each time.
        options = ["--require-hashes", "--compile-bytecode", "-r", str(lock)]
        run([*uv, "pip", "install", "--python", str(python), *options])
    return str(python)


def make_transform(uv: list[str], seconds: dict[str, float]) -> None:
    """Make the environment for users' code."""
    with timed(seconds, "transform"):
        # The same Python as the facility's, which other users may run where that one's may be.
        same, python = VENV / "bin" / "python", TRANSFORM / "bin" / "python"
        if python.resolve() != same.resolve():
            shutil.rmtree(TRANSFORM, ignore_errors=True)
            run([*uv, "venv", "--python", str(same), str(TRANSFORM)])
        lock = ROOT / "requirements" / "transform.txt"
        print(f"installing {lock.relative_to(ROOT)} into {TRANSFORM.relative_to(ROOT)}", flush=True)
        options = ["--require-hashes", "--compile-bytecode", "-r", str(lock)]
        run([*uv, "pip", "install", "--python", str(python), *options])


def make_panel(environment: str) -> None:
    """Build JupyterLab's panel, and install what its tests need."""
    lab.build(ROOT)
    if environment == WIDEST:
        with node.only_one():
            node.install(ROOT / "tests" / "lab")


def installed() -> dict[str, str]:
    """Return the stamp of ``.venv``, after clearing away one that can't be used."""
    if not VENV.exists():
        return {}
    found: dict[str, str] = {}
    reason = ""
    if UNFINISHED.exists():
        reason = "an earlier run did not finish"
    elif not (VENV / "bin" / "python").exists():
        reason = "its Python is gone"
    elif not list(VENV.glob(f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/")):
        reason = f"it was made for another Python than {sys.executable}"
    elif STAMP.exists():
        found = json.loads(STAMP.read_text())
        if found["folder"] != str(ROOT):
            reason = f"it was made in {found['folder']}, and its commands call the Python there"
    if not reason and found.keys() & {*WHOLE} and not (TRANSFORM / "bin" / "python").exists():
        # The rest is as it was: what is here is brought up to date, and that made again.
        return dict.fromkeys(found, f"without {TRANSFORM.name}")
    if not reason:
        return found
    print(f"making {VENV.name} anew: {reason}", flush=True)
    shutil.rmtree(VENV)
    return {}


def fingerprint(environment: str) -> str:
    """Return a hash of all that decides what is installed.

    The project's own code is not in it (an editable install reads it from here), but the files
    that an editable install copies are, and what the panel is built from.
    """
    project = ROOT / "pyproject.toml"
    locks = [ROOT / "requirements" / f"{name}.txt" for name in (environment, "build")]
    if environment == WIDEST:
        locks.append(ROOT / "tests" / "lab" / "yarn.lock")
    if environment in WHOLE:
        locks.append(ROOT / "requirements" / "transform.txt")
    target = tomllib.loads(project.read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = [ROOT / name for name in target["shared-data"]]
    inside = [path for one in copied if one.is_dir() for path in one.rglob("*") if path.is_file()]
    digest = hashlib.sha256(str(sys.version_info[:2]).encode())
    digest.update(lab.fingerprint(lab.folder_of(ROOT)).encode())
    for path in [project, *locks, *sorted({one for one in [*copied, *inside] if one.is_file()})]:
        digest.update(
            f"{path.relative_to(ROOT)} ".encode() + hashlib.sha256(path.read_bytes()).digest()
        )
    return digest.hexdigest()


@contextmanager
def timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    """Note how long a step takes."""
    began = time.monotonic()
    yield
    seconds[step] = time.monotonic() - began


def run(command: list[str], variables: Mapping[str, str] = MappingProxyType({})) -> None:
    """Run uv, passing on what it says except a line for each of 200 packages."""
    child = subprocess.Popen(
        command,
        env={**tool_environment(), **variables},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        close_fds=False,
    )
    assert child.stderr
    for line in child.stderr:
        if not line.startswith((" + ", " - ", " ~ ", " Downloaded")):
            print(f"  {line.rstrip()}", flush=True)
    if child.wait():
        raise SetupError(
            f"`uv {command[1]}` failed, as said above\n"
            "hint: it needs a route to a package index (settings of pip and uv are respected); "
            "the next run starts over from the package cache"
        )


if __name__ == "__main__":
    main()
