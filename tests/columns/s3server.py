"""A real S3 server of the tests' own, versitygw, on loopback; its objects are a folder's files."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager

from casita.testing import wait_for

PROGRAM = shutil.which("versitygw")
MISSING = "versitygw is not on PATH (go install github.com/versity/versitygw/cmd/versitygw@latest)"


class Server:
    """The server, and an account that may do anything there."""

    def __init__(self, folder):
        with socket.create_server(("127.0.0.1", 0)) as bound:
            self._port = bound.getsockname()[1]
        self.folder = folder
        self.url = f"http://127.0.0.1:{self._port}"
        self.key, self.secret = "casita", secrets.token_hex(16)
        self._process = None
        for name in ("buckets", "attributes"):
            (folder / name).mkdir()

    @property
    def options(self):
        """What s3fs needs."""
        return {"key": self.key, "secret": self.secret, "client_kwargs": {"endpoint_url": self.url}}

    def start(self):
        """Start it unless it runs, and return when it listens."""
        if self._process is not None and self._process.poll() is None:
            return
        folders = ["--sidecar", str(self.folder / "attributes"), str(self.folder / "buckets")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                # The kernel ends it if the tests are killed.
                [
                    *("setpriv", "--pdeathsig", "KILL", PROGRAM),
                    *("--port", f"127.0.0.1:{self._port}", "posix", *folders),
                ],
                stdout=log,
                stderr=log,
                env={**os.environ, "ROOT_ACCESS_KEY": self.key, "ROOT_SECRET_KEY": self.secret},
            )
        wait_for(self._listens, 30, "the S3 server")

    def _listens(self):
        assert self._process.poll() is None, (self.folder / "log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self._port), 1).close()
        except OSError:
            return False
        return True

    def stop(self):
        """End it."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(30)

    def new(self):
        """Return the URL of a place in a new bucket."""
        bucket = f"results-{time.time_ns()}"
        (self.folder / "buckets" / bucket).mkdir()
        return f"s3://{bucket}/casita"

    def objects(self, url):
        """The files that are a place's objects."""
        place = self.folder / "buckets" / url.removeprefix("s3://")
        return sorted(one for one in place.rglob("*") if one.is_file())


@contextmanager
def running(folder):
    """Give a server."""
    server = Server(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
