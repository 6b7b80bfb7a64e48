"""Find uv, or fetch the pinned one into the checkout, whatever this Python lacks.

In this order: a recent ``uv`` on PATH; pip of this Python; a virtual environment's pip; on Debian
and its kin, where Python comes without both, the pip inside the package ``python3-pip-whl``.
Nothing is installed on the machine, and root is not needed.
"""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

OLDEST = (0, 5)
"""The oldest uv that has all the options used here."""
FOLDER = ".venv-uv"
"""Where the private uv goes, in the checkout."""


class SetupError(Exception):
    """The environment can't be made; the text is one sentence and a hint."""


def find_uv(root: Path) -> Path:
    """Return a uv that works, fetching one if need be.

    Raises
    ------
    SetupError
        There is no way to get one here.
    """
    on_path = shutil.which("uv")
    if on_path and uv_version(Path(on_path)) >= OLDEST:
        return Path(on_path)
    lock = root / "requirements" / "uv.txt"
    private = root / FOLDER / "bin" / "uv"
    if f"uv=={'.'.join(map(str, uv_version(private)))} " not in lock.read_text():
        print("fetching uv, the package installer", flush=True)
        with scratch(root) as folder:
            fetch_uv(lock, folder)
            shutil.rmtree(root / FOLDER, ignore_errors=True)
            (folder / "uv").rename(root / FOLDER)
    return private


def uv_version(uv: Path) -> tuple[int, ...]:
    """Return uv's version, () if it does not run."""
    try:
        said = subprocess.run([uv, "--version"], capture_output=True, text=True, check=True).stdout
        return tuple(int(part) for part in said.split()[1].split("."))
    except (OSError, subprocess.CalledProcessError, IndexError, ValueError):
        return ()


@contextmanager
def scratch(root: Path) -> Iterator[Path]:
    """Give a folder on the checkout's disk, so that a finished uv can be renamed into place."""
    for old in root.glob(f"{FOLDER}-*"):
        shutil.rmtree(old, ignore_errors=True)  # of a run that was killed
    with tempfile.TemporaryDirectory(prefix=f"{FOLDER}-", dir=root) as folder:
        yield Path(folder)


def fetch_uv(lock: Path, folder: Path) -> None:
    """Install the pinned uv in ``folder``/uv with the first pip that works."""
    options = ["install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    options += ["--no-warn-script-location", "--target", str(folder / "uv"), "-r", str(lock)]
    ways: tuple[Callable[[Path], list[str]], ...] = (own_pip, fresh_pip, debian_pip)
    reasons = []
    for way in ways:
        try:
            call([*way(folder), *options])
        except SetupError as reason:
            reasons.append(f"  {way.__name__.replace('_', ' ')}: {reason}")
        else:
            return
    raise SetupError(
        "uv, which installs everything else, can't be fetched:\n" + "\n".join(reasons) + "\n"
        "hint: check the route to the package index, or install one of uv, pip "
        "(Debian: apt install python3-pip) and run this again"
    )


def own_pip(folder: Path) -> list[str]:
    """Return the command of this Python's own pip."""
    call([sys.executable, "-m", "pip", "--version"])
    return [sys.executable, "-m", "pip"]


def fresh_pip(folder: Path) -> list[str]:
    """Return the command of pip in a new virtual environment."""
    call([sys.executable, "-m", "venv", str(folder / "venv")])
    return [str(folder / "venv" / "bin" / "python"), "-m", "pip"]


def debian_pip(folder: Path) -> list[str]:
    """Return the command of the pip in Debian's package, which runs from its wheel."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise SetupError("no apt-get and dpkg-deb here")
    package = folder / "deb"
    package.mkdir()
    try:
        call(["apt-get", "download", "python3-pip-whl"], cwd=package)
    except SetupError:
        # No package lists yet, or old ones: fetch lists of our own, which root is not needed for.
        lists, cache = folder / "apt" / "lists", folder / "apt" / "cache"
        for one in (lists, cache):
            (one / ("partial" if one is lists else "archives/partial")).mkdir(parents=True)
        own = ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={cache}"]
        call(["apt-get", *own, "update"], cwd=package)
        call(["apt-get", *own, "download", "python3-pip-whl"], cwd=package)
    call(["dpkg-deb", "-x", *map(str, package.glob("*.deb")), str(package)])
    wheel = next(package.glob("usr/share/python-wheels/pip-*.whl"), None)
    if wheel is None:
        raise SetupError("python3-pip-whl holds no pip")
    return [sys.executable, str(wheel / "pip")]


def call(command: list[str], cwd: Path | None = None) -> None:
    """Run a command; what it says is shown only if it fails, by its last line."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=tool_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise SetupError(str(error)) from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise SetupError(said[-1].strip())


# ---- what people have told pip holds for uv, too

FOR_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}
"""Settings of pip, and the variable with the same meaning for uv."""


def tool_environment() -> dict[str, str]:
    """Return the environment for pip, uv and apt: the caller's, with pip's settings for uv."""
    told = {FOR_UV[key]: " ".join(value.split()) for key, value in pip_settings().items()}
    if "UV_INDEX_URL" in os.environ:  # the older name of the same
        told.pop("UV_DEFAULT_INDEX", None)
    ours = {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        # Private folders are no concern of these two.
        "PIP_REQUIRE_VIRTUALENV": "0",
        "PIP_USER": "0",
    }
    # uv brings authorities of its own; a site's proxy has one that only the system knows.
    certificates = {"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}
    return {**certificates, **told, **os.environ, **ours}


def pip_settings() -> dict[str, str]:
    """Return those of pip's settings that uv has an equal for, as pip finds them."""
    home = Path.home()
    shared = os.environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")
    own = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [*(Path(one) / "pip/pip.conf" for one in reversed(shared)), Path("/etc/pip.conf")]
    files += [home / ".pip/pip.conf", own / "pip/pip.conf", Path(sys.prefix) / "pip.conf"]
    files += [Path(os.environ["PIP_CONFIG_FILE"])] if "PIP_CONFIG_FILE" in os.environ else []
    parser = configparser.RawConfigParser()
    try:
        parser.read(files)
    except (configparser.Error, UnicodeDecodeError):
        return {}  # pip itself complains better
    found = {}
    for key in FOR_UV:
        variable = os.environ.get("PIP_" + key.replace("-", "_").upper())
        sections = [parser.get(part, key, fallback=None) for part in ("install", "global")]
        if value := next(filter(None, [variable, *sections]), None):
            found[key] = value
    return found
