"""Jupyter servers of the multiuser profile, each under its user's account."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psutil
from jupyterhub.spawner import LocalProcessSpawner
from tornado import web
from traitlets import Unicode

from casita.accounts import Account, account

START = """
cd || exit
log="$HOME/.local/state/casita/server.log"
mkdir -p "${log%/*}" && ( : >"$log" ) && exec >"$log" 2>&1
exec "$@"
"""
"""What a new process does before it is the server.

The hub would wait for a program that opens files between fork and exec: as these lie in the user's
home, where a pipe or a file system of the user's own may stand, they could hold the hub up.
"""


class AccountSpawner(LocalProcessSpawner):  # type: ignore[misc]
    """Starts a user's server as that user, whatever a hub administrator may ask for.

    Upstream's hands the hub's own log to every user's processes, and after a reboot takes any
    process that has got an old server's pid for that server, which it as root would kill.
    """

    runtime_directory = Unicode(config=True, help="Holds a folder of sockets for each uid.")
    instance = Unicode(config=True, help="The facility's CASITA_INSTANCE.")

    async def start(self) -> tuple[str, int]:
        """Start the server.

        Raises
        ------
        tornado.web.HTTPError
            403: the user may not use this facility (any more), or is root.
        """
        if sentence := self.authenticator.refusal(self.user.name):
            raise web.HTTPError(403, sentence)
        user = account(self.user.name)
        self._make_runtime_directory(user)
        self.popen_kwargs = {
            "preexec_fn": None,
            "user": user.uid,
            "group": user.gid,
            "extra_groups": user.groups,
            "umask": 0o077,
            "cwd": "/",
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
        }
        address: tuple[str, int] = await super().start()
        return address

    def _make_runtime_directory(self, user: Account) -> None:
        folder = Path(self.runtime_directory, str(user.uid))
        folder.mkdir(mode=0o700, exist_ok=True)
        os.chown(folder, user.uid, user.gid)

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Add where the user's sockets lie.

        Kernels listen on sockets there (``--KernelManager.transport=ipc``), not on TCP ports: all
        users of the machine can connect to those, and would read whatever a cell prints.
        """
        env = super().user_env(env)
        uid = account(self.user.name).uid
        folder = Path(self.runtime_directory, str(uid))
        env["CASITA_TOKEN_FILE"] = env["BEARER_TOKEN_FILE"] = str(folder / f"bt_u{uid}")
        env["XDG_RUNTIME_DIR"] = str(folder)
        env["JUPYTER_RUNTIME_DIR"] = str(folder / "jupyter")
        return env

    async def _signal(self, sig: int) -> bool:
        if not self._is_mine():
            return False
        sent: bool = await super()._signal(sig)
        return sent

    def _is_mine(self) -> bool:
        """Whether ``pid``, perhaps an old one from the database, still is this user's server."""
        try:
            environment = psutil.Process(self.pid).environ()
        except psutil.Error:
            return False
        expected = {
            "CASITA_INSTANCE": self.instance,
            "JUPYTERHUB_USER": self.user.name,
            "JUPYTERHUB_SERVER_NAME": self.name,
        }
        return expected.items() <= environment.items()
