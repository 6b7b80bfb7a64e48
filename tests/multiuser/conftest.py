"""A facility in the multiuser profile, with real accounts of this machine and people using it.

Needs root, PAM and useradd.  The accounts have random names and are removed at the end.
"""

import json
import os
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import websocket

from casita.demo.session import HubSession
from casita.files import closed_to_others
from casita.testing import start_facility, stop_facility

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """\
[facility]
profile = "multiuser"
[login]
admin = "{admin}"
users = ["{alice}", "{bob}", "{eve}"]
create_users = true
[gateway]
worker_memory = "512 MiB"
user_clusters = 2
user_cores = 3
start_timeout = 120
[gateway.environments]
broken = "/nonexistent"
"""


def pytest_collection_modifyitems(items):
    """Skip all of this, by name, where it can't be done; what ends the facility comes last."""
    items.sort(key=lambda item: item.path.name == "test_survival.py")
    reason = ""
    if os.getuid() != 0:
        reason = "root only: it makes accounts and starts processes under them"
    elif not Path("/etc/pam.d/login").exists() or not shutil.which("useradd"):
        reason = "needs /etc/pam.d/login and useradd (apt-get install login passwd)"
    for item in items:
        if reason and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))


# ---- a Python that everybody may run


@contextmanager
def open_folder():
    """Give a new folder that everybody may enter, as no folder of pytest's is."""
    folder = Path(tempfile.mkdtemp(prefix="casita-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def python():
    """A Python with casita that other users may run: this one, or one made for these tests."""
    if not closed_to_others(Path(sys.prefix), Path(sys.executable)):
        yield sys.executable
        return
    with open_folder() as folder:
        yield make_environment(folder / "venv")


def make_environment(folder: Path) -> str:
    """Install casita, not editable, with Debian's Python; packages come from uv's cache."""
    if not Path("/usr/bin/python3").exists() or closed_to_others(Path("/usr/bin/python3")):
        pytest.skip("this environment is closed to other users, and so is /usr/bin/python3")
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from get_uv import find_uv

        uv = str(find_uv(ROOT))
    finally:
        sys.path.remove(str(ROOT / "tools"))
    python, requirements = str(folder / "bin" / "python"), ROOT / "requirements"

    def run(*words):
        done = subprocess.run([uv, *map(str, words)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    install = ("pip", "install", "--python", python)
    run("venv", "--python", "/usr/bin/python3", folder)
    run(*install, "--require-hashes", "-r", requirements / "all.txt")
    run(*install, "--no-deps", "--build-constraints", requirements / "build.txt", ROOT)
    return python


# ---- people


@dataclass
class Person:
    """Somebody with an account on this machine, at a facility."""

    name: str
    password: str
    url: str = ""
    kernels: list = field(default_factory=list)

    @property
    def account(self) -> pwd.struct_passwd:
        return pwd.getpwnam(self.name)

    @property
    def uid(self) -> int:
        return self.account.pw_uid

    @property
    def home(self) -> Path:
        return Path(self.account.pw_dir)

    def login(self) -> HubSession:
        """Log in through the real page, by PAM."""
        session = HubSession(self.url)
        session.login(self.name, self.password)
        return session

    def refused(self, name: str = "") -> str:
        """Try to log in under ``name`` with this one's password; return the page that refuses."""
        with HubSession(self.url) as session:
            session._http.get("/hub/login")
            xsrf = session._xsrf()
            form = {"username": name or self.name, "password": self.password, "_xsrf": xsrf}
            answer = session._http.post("/hub/login", params={"_xsrf": xsrf}, data=form)
            assert answer.status_code in (400, 403), answer.text
            assert session._http.get("/hub/api/user").status_code == 403
        return answer.text

    def processes(self, word: str = "") -> list[psutil.Process]:
        """Return the processes of this account whose command holds ``word``."""
        found = []
        for one in psutil.process_iter():
            try:
                if one.uids().real == self.uid and word in " ".join(one.cmdline()):
                    found.append(one)
            except psutil.Error:
                continue
        return found

    def token(self) -> str:
        """Return a token with everything that this person may do."""
        with self.login() as session:
            return session.token("test", 3600)

    def start(self) -> None:
        """Log in, start the server, and a kernel in it."""
        with self.login() as session:
            session.start_server()
        self.kernels.append(Kernel(self.url, self.name, self.token()))

    @property
    def kernel(self) -> "Kernel":
        return self.kernels[-1]


class Kernel:
    """A kernel in somebody's Jupyter server, reached as a browser does."""

    def __init__(self, url: str, user: str, token: str, ca: str | None = None) -> None:
        self.token = token
        base = f"{url}/user/{user}/api/kernels"
        with HubSession(url, ca=ca or "") as session:
            answer = session._http.post(base, headers={"Authorization": f"token {token}"})
        assert answer.status_code == 201, answer.text
        self._channels = f"{base}/{answer.json()['id']}/channels".replace("http", "ws", 1)
        self._tls = {"ca_certs": ca} if ca else None

    def connect(self) -> None:
        """Open the kernel's websocket."""
        header = {"Authorization": f"token {self.token}"}
        self.socket = websocket.create_connection(
            self._channels, header=header, timeout=180, sslopt=self._tls
        )

    def run(self, code: str) -> str:
        """Run a cell and return what it printed; its exception becomes an AssertionError."""
        self.connect()  # anew: a server hangs up on who has not answered its pings for a while
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "version": "5.3"}
        header |= {"username": "", "session": "s", "date": "2026-01-01T00:00:00Z"}
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        self.socket.send(json.dumps({**message, "channel": "shell"}))
        printed = ""
        while True:
            got = json.loads(self.socket.recv())
            if got["parent_header"].get("msg_id") != header["msg_id"]:
                continue
            if got["msg_type"] == "stream":
                printed += got["content"]["text"]
            elif got["msg_type"] == "error":
                trace = "\n".join(got["content"]["traceback"])
                raise AssertionError(f"{got['content']['evalue']}\n{printed}\n{trace}")
            elif got["msg_type"] == "status" and got["content"]["execution_state"] == "idle":
                return printed

    def ask(self, code: str, given=None):
        """Run code that reads ``given`` and leaves its answer, JSON, in ``answer``."""
        head = f"import json\ngiven = json.loads({json.dumps(given)!r})\n"
        return json.loads(
            self.run(f"{head}{code}\nprint('@@' + json.dumps(answer))").split("@@")[1]
        )


@contextmanager
def account():
    """Give a new account; whatever runs under it at the end is ended."""
    person = Person(f"casita-t{secrets.token_hex(4)}", secrets.token_hex(12))
    command = ["useradd", "--create-home", "--shell", "/bin/bash", "-K", "HOME_MODE=0700"]
    subprocess.run([*command, person.name], check=True)
    try:
        set_password(person)
        yield person
    finally:
        remove_account(person)


def set_password(person: Person) -> None:
    line = f"{person.name}:{person.password}\n"
    subprocess.run(["chpasswd"], input=line, text=True, check=True)


def remove_account(person: Person) -> None:
    left = person.processes()
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=10)
    subprocess.run(["userdel", "--remove", person.name], check=True, capture_output=True)


# ---- the facility


@pytest.fixture(scope="package")
def town(python):
    """A facility (``town.facility``), two users, their administrator, eve and a stranger."""
    with ExitStack() as stack:
        names = ("admin", "alice", "bob", "eve", "stranger")
        people = {name: stack.enter_context(account()) for name in names}
        subprocess.run(["usermod", "-aG", "users", people["alice"].name], check=True)
        folder = stack.enter_context(open_folder())
        config = folder / "casita.toml"
        config.write_text(CONFIG.format(**{name: one.name for name, one in people.items()}))
        facility = start_facility(folder / "state", "--config", config, python=python)
        stack.callback(stop_facility, facility)
        for one in people.values():
            one.url = facility.url
        yield SimpleNamespace(facility=facility, config=config, folder=folder, **people)


@pytest.fixture(scope="package")
def alice(town):
    town.alice.start()
    return town.alice


@pytest.fixture(scope="package")
def bob(town):
    town.bob.start()
    return town.bob


MAKE = """
from dask_gateway import Gateway
cluster = Gateway().new_cluster()
cluster.scale(1)
client = cluster.get_client()
client.wait_for_workers(1, 120)
answer = cluster.name
"""


@pytest.fixture(scope="package")
def clusters(alice, bob):
    """The names of two clusters of one worker; ``cluster``, ``client`` in their owners' kernels."""
    return {person.name: person.kernel.ask(MAKE) for person in (alice, bob)}
