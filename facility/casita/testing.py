"""A real facility for tests, ours and those of extension authors.

Everything is started by the real command line, on free ports of 127.0.0.1, and is gone afterwards::

    @pytest.fixture(scope="session")
    def facility(tmp_path_factory):
        with running_facility(tmp_path_factory.mktemp("facility") / "state") as facility:
            yield facility
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from casita import sweep
from casita.demo.session import HubSession
from casita.files import tail
from casita.site import Site, open_site

Value = TypeVar("Value")
Finished = subprocess.CompletedProcess[str]
ROOT = ("--allow-root",) if os.getuid() == 0 else ()
"""What ``casita up`` needs when tests run as root."""


def casita(
    *words: object,
    check: bool = True,
    timeout: float = 300,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    python: str = sys.executable,
) -> Finished:
    """Run the command line as a person does, with none of this process's facility variables.

    Raises
    ------
    AssertionError
        ``check`` and the status is not 0; holds what was printed.
    """
    hidden = ("CASITA", "JUPYTERHUB", "DASK_")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
    done = subprocess.run(
        [python, "-m", "casita", *map(str, words)],
        input=stdin,
        stdin=None if stdin is not None else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**clean, **(env or {})},
        check=False,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{words}: status {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def wait_for(condition: Callable[[], Value], seconds: float = 30, what: str = "condition") -> Value:
    """Poll until ``condition()`` is true and return its value.

    Raises
    ------
    AssertionError
        It did not come true within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come true within {seconds} s")


@dataclass
class Facility:
    """A running facility, as its operator sees it."""

    state: Path
    python: str = sys.executable
    """With which it is run."""

    @property
    def site(self) -> Site:
        """Where it stands."""
        return open_site(self.state)

    @property
    def url(self) -> str:
        """Public URL without trailing slash."""
        return self.site.url

    def casita(self, *words: object, **more: Any) -> Finished:
        """Run a command for this facility."""
        return casita(*words, "--state", self.state, python=self.python, **more)

    def status(self) -> dict[str, Any]:
        """Return ``casita status --json``."""
        found: dict[str, Any] = json.loads(self.casita("status", "--json", check=False).stdout)
        return found

    def login(self) -> HubSession:
        """Return the administrator's session, logged in with a fresh one-time link."""
        link = next(word for word in self.casita("link").stdout.split() if "#" in word)
        session = HubSession(self.url)
        session.login_once(link.partition("#")[2])
        return session

    def logs(self) -> str:
        """Return the end of every log."""
        return "\n".join(f"--- {p.name}\n{tail(p, 30)}" for p in self.site.logs.glob("*.log"))

    def remains(self) -> list[tuple[str, list[str]]]:
        """Return (service or "", command) of every live process of it."""
        return [(b.service, b.process.cmdline()) for b in sweep.belongings(self.site.instance)]


def start_facility(state: Path, *options: object, python: str = sys.executable) -> Facility:
    """Bring a facility up.

    Raises
    ------
    AssertionError
        It did not start; holds what was printed and the end of every log.
    """
    facility = Facility(state, python)
    done = facility.casita("up", "--detach", *ROOT, *options, check=False)
    if done.returncode:
        logs = facility.logs() if (state / "site.json").exists() else ""
        raise AssertionError(f"casita up: {done.stdout}\n{done.stderr}\n{logs}")
    return facility


def stop_facility(facility: Facility) -> None:
    """Take a facility down.

    Raises
    ------
    AssertionError
        A process was left; it has been ended since.
    """
    facility.casita("down", check=False)
    left = facility.remains()
    sweep.end([one.process for one in sweep.belongings(facility.site.instance)], 1)
    assert left == [], f"casita down left {left}"


@contextmanager
def running_facility(state: Path, *options: object) -> Iterator[Facility]:
    """Give a facility for the length of a block."""
    facility = start_facility(state, *options)
    try:
        yield facility
    finally:
        stop_facility(facility)
