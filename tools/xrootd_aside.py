"""Get a newer XRootD beside the system's, in a folder of its own.

    python3 tools/xrootd_aside.py [--into DIR]

prints the path of a launcher for its server; ``xrdcp``, ``xrdfs`` and ``xrdpfc_print`` are next to
it.  A server that checks tokens should be one: before 5.9.3 a token for /cms opens /cmsX, too.

The packages come from a newer suite of the Debian mirror that this machine uses already, verified
with Debian's own keys, by an apt whose settings, lists and idea of what is installed are private:
nothing on the machine changes, and root is not needed.  They bring all that they depend on, down
to the C library, and run with that.  Standard library only.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "build" / "xrootd-aside"
WANTED = (5, 9, 3)
"""The oldest version that will do."""
SUITES = ("testing", "unstable")
"""Where to look, in this order: a package gets into the first after some days without trouble."""
PACKAGES = (
    "xrootd-server",
    "xrootd-server-plugins",
    "xrootd-client",
    "xrootd-client-plugins",
    "xrootd-scitokens-plugins",
)
PROGRAMS = ("xrootd", "xrdcp", "xrdfs", "xrdpfc_print")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
LAUNCHER = """\
#!/bin/sh
# {program} with the C library and the plug-ins of the Debian suite that it is from.
root=$(dirname "$(dirname "$(readlink -f "$0")")")/root
exec "$root/{loader}" --library-path "$root/{libraries}" --argv0 {program} \\
    "$root/usr/bin/{program}" "$@"
"""
SETTINGS = """\
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
#clear APT::Default-Release;
#clear APT::Update;
#clear DPkg;
APT::Update::Error-Mode "any";
"""
"""Of the private apt; what the machine's own say of proxies and certificates still holds."""


class AsideError(Exception):
    """It can't be had here; the text is one sentence."""


def main() -> None:
    """Print where the launcher is, after getting it if need be."""
    parser = argparse.ArgumentParser(description="Get a newer XRootD beside the system's.")
    parser.add_argument("--into", type=Path, default=FOLDER, metavar="DIR")
    try:
        print(get(parser.parse_args().into.resolve()))
    except (AsideError, OSError) as error:
        sys.exit(f"error: no newer XRootD here: {error}")


def get(folder: Path) -> Path:
    """Return the launcher in ``folder``, which is made if it is not there.

    Raises
    ------
    AsideError
        There is no way to get it here.
    """
    launcher = folder / "bin" / "xrootd"
    if launcher.exists():
        return launcher
    if folder.exists() and any(folder.iterdir()):
        raise AsideError(f"{folder} holds something else")
    for program in ("apt-get", "apt-cache", "dpkg", "dpkg-deb"):
        if not shutil.which(program):
            raise AsideError(f"it is fetched with Debian's {program}, which is missing")
    if not KEYRING.exists():
        raise AsideError(f"Debian's keys are missing: {KEYRING}")
    with scratch(folder) as work:
        if not launcher.exists():  # another run may have made it meanwhile
            packages = fetch(work / "apt")
            unpack(packages, work / "aside")
            (work / "aside").rename(folder)
    return launcher


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Give a folder on the same disk, to one run at a time."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for old in folder.parent.glob(f".{folder.name}-*"):
            shutil.rmtree(old, ignore_errors=True)  # of a run that was killed
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as work:
            Path(work).chmod(0o755)  # apt drops root's rights for what it does on the network
            yield Path(work)


# ---- from the mirror


def fetch(folder: Path) -> list[Path]:
    """Return the packages, downloaded into ``folder`` from the first suite that will do.

    Raises
    ------
    AsideError
        No suite has a new enough version, or there is no route to the mirror.
    """
    architecture = call("which architecture this is", ["dpkg", "--print-architecture"]).strip()
    listed = call("where packages come from", ["apt-get", "update", "--print-uris"])
    mirrors = debian_mirrors(listed)
    if not mirrors:
        raise AsideError("this machine takes no packages from a mirror of Debian")
    reasons = []
    for mirror in mirrors:
        for suite in SUITES:
            line = sources_line(mirror, suite, architecture)
            try:
                return download(folder / suite, line)
            except AsideError as reason:
                reasons.append(f"{suite}: {reason}")
            shutil.rmtree(folder, ignore_errors=True)
    raise AsideError("; ".join(reasons))


def download(folder: Path, line: str) -> list[Path]:
    """Return the packages and all that they depend on, from one suite."""
    for part in ("state/lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    (folder / "status").touch()  # nothing is installed, so that every dependency comes, too
    (folder / "sources.list").write_text(line)
    (folder / "apt.conf").write_text(SETTINGS.format(folder=folder))
    settings = ["-c", str(folder / "apt.conf")]
    call("its list of packages", ["apt-get", *settings, "update"])
    known = call("its versions", ["apt-cache", *settings, "policy", PACKAGES[0]])
    version = candidate(known)
    if parts(version) < WANTED:
        wanted = ".".join(map(str, WANTED))
        raise AsideError(f"it has {version or 'no version'}, and at least {wanted} is wanted")
    options = ["--quiet", "--yes", "--download-only", "--no-install-recommends"]
    call("its packages", ["apt-get", *settings, *options, "install", *PACKAGES])
    return sorted((folder / "cache" / "archives").glob("*.deb"))


def debian_mirrors(listed: str) -> list[str]:
    """Return the mirrors of Debian's archive in what ``apt-get update --print-uris`` says."""
    found = re.findall(r"^'(\S+?)/dists/([^/'\s]+)/(?:InRelease|Release)'", listed, re.MULTILINE)
    names = {"stable", "testing", "unstable", "sid", *codenames()}
    return list(dict.fromkeys(mirror for mirror, suite in found if suite in names))


def codenames() -> list[str]:
    """Return what the system calls its own release."""
    file = Path("/etc/os-release")
    said = file.read_text() if file.exists() else ""
    return re.findall(r'^VERSION_CODENAME="?([a-z]+)', said, re.MULTILINE)


def sources_line(mirror: str, suite: str, architecture: str) -> str:
    """Return the line for apt's list of sources."""
    return f"deb [arch={architecture} signed-by={KEYRING}] {mirror} {suite} main\n"


def candidate(policy: str) -> str:
    """Return the version that apt would install by ``apt-cache policy``, "" if none."""
    found = re.search(r"^ *Candidate: (\d\S*)", policy, re.MULTILINE)
    return found[1] if found else ""


def parts(version: str) -> tuple[int, ...]:
    """Return the numbers of a version of Debian's, without its epoch and revision."""
    found = re.match(r"(?:\d+:)?(\d+(?:\.\d+)*)", version)
    return tuple(map(int, found[1].split("."))) if found else ()


# ---- into the folder


def unpack(packages: Sequence[Path], folder: Path) -> None:
    """Make the programs in ``folder`` from packages; what they can't run without is looked for."""
    root = folder / "root"
    root.mkdir(parents=True)
    for package in packages:
        call(f"the content of {package.name}", ["dpkg-deb", "--extract", str(package), str(root)])
    loader = next(root.glob("usr/lib/*/ld-linux*.so.*"), None)
    if loader is None:
        raise AsideError("its packages bring no loader for programs")
    (folder / "bin").mkdir()
    for program in PROGRAMS:
        file = folder / "bin" / program
        names = {"program": program, "loader": loader.relative_to(root)}
        file.write_text(LAUNCHER.format(**names, libraries=loader.parent.relative_to(root)))
        file.chmod(0o755)
    call("whether it runs", [str(folder / "bin" / "xrootd"), "-v"])


def call(what: str, command: Sequence[str]) -> str:
    """Return what a command says; it must not ask anything.

    Raises
    ------
    AsideError
        It failed: its first complaint tells why.
    """
    done = subprocess.run(
        command,
        env={**os.environ, "LC_ALL": "C"},  # what apt says is read
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        why = next((line for line in said if line.startswith("E: ")), said[-1])
        raise AsideError(f"{what} can't be had: {' '.join(why.removeprefix('E: ').split())}")
    return done.stdout


if __name__ == "__main__":
    main()
