"""Fixtures for every test: a real facility, started by the real command line."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from casita import sweep
from casita.demo.session import HubSession
from casita.files import tail
from casita.site import Site, open_site


def casita(*words, check=True, timeout=300, env=None, stdin=None):
    """Run the command line as a person does; returns the finished process."""
    command = [sys.executable, "-m", "casita", *map(str, words)]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("CASITA", "JUPYTERHUB"))}
    done = subprocess.run(
        command,
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


def wait_for(condition, seconds=30, what="condition"):
    """Poll until ``condition()`` is true and return its value; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come true within {seconds} s")


@dataclass
class Facility:
    """A running facility, as tests see it."""

    state: Path

    @property
    def site(self) -> Site:
        return open_site(self.state)

    @property
    def url(self) -> str:
        return self.site.url

    def casita(self, *words, **more):
        return casita(*words, "--state", self.state, **more)

    def status(self):
        return json.loads(self.casita("status", "--json", check=False).stdout)

    def login(self) -> HubSession:
        """Return the administrator's session, logged in with a fresh one-time link."""
        link = next(w for w in self.casita("link").stdout.split() if "#" in w)
        session = HubSession(self.url)
        session.login_once(link.partition("#")[2])
        return session

    def logs(self) -> str:
        return "\n".join(f"--- {p.name}\n{tail(p, 30)}" for p in self.site.logs.glob("*.log"))

    def remains(self):
        return [(b.service, b.process.cmdline()) for b in sweep.belongings(self.site.instance)]


def start_facility(state: Path, *options) -> Facility:
    """Bring a facility up; shows every log when that fails."""
    root = ["--allow-root"] if os.getuid() == 0 else []
    facility = Facility(state)
    done = facility.casita("up", "--detach", *root, *options, check=False)
    if done.returncode:
        pytest.fail(f"casita up: {done.stdout}\n{done.stderr}\n{facility.logs()}")
    return facility


def stop_facility(facility: Facility) -> None:
    """Take a facility down and make sure that nothing is left."""
    facility.casita("down", check=False)
    left = facility.remains()
    sweep.end([one.process for one in sweep.belongings(facility.site.instance)], 1)
    assert left == [], f"casita down left {left}"


@pytest.fixture(scope="session")
def facility(tmp_path_factory):
    """One facility for all tests that only use it."""
    running = start_facility(tmp_path_factory.mktemp("facility") / "state")
    yield running
    stop_facility(running)


@pytest.fixture(scope="session")
def admin(facility):
    """The administrator's session, with a running Jupyter server."""
    with facility.login() as session:
        session.start_server()
        yield session
