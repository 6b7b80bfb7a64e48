"""``python -m casita_cache.launch``: becomes one XRootD server.

The server's description is JSON in ``CASITA_CACHE_SERVER``.  This makes its folders, writes its
configuration for the version of the program that is there, and puts the program in its own place.
Started by root, it becomes the server's own account first: XRootD never runs as root.
"""

from __future__ import annotations

import fcntl
import grp
import os
import pwd
import secrets
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import NoReturn

from casita.errors import CasitaError
from casita.files import write_atomic
from casita_cache import configuration, keys
from casita_cache.program import Program, find
from casita_cache.servers import Server
from casita_cache.tls import open_folder, own_certificate

VARIABLE = "CASITA_CACHE_SERVER"
LARGEST = 0.95
"""Part of a disk that the files of a cache may take."""
FIRST_HANDLE = 3
"""``SD_LISTEN_FDS_START``"""


def main() -> NoReturn:
    """Become the server, or end with one sentence."""
    try:
        server = Server.model_validate_json(os.environ.pop(VARIABLE))
        program = find(server.program)
        program.refuse(server)
        open_folder(server.directory.parent)
        _listen(server)
        tls = _credentials(server)  # which root may read, and the account may not
        if server.audience:
            keys.prefill(configuration.keys_folder(server), server.issuers)
        # Before it is another user, who may not be able to read this Python's own files.
        _wait_for_collector(server.monitor)
        if server.account:
            _become(server.account, server.directory)
        _prepare(server, tls, program.version)
        _run(server, program)
    except (CasitaError, OSError) as error:
        sys.exit(str(error))


def _listen(server: Server) -> None:
    """Open the server's sockets, which it inherits as from systemd (``sd_listen_fds(3)``).

    XRootD listens on all addresses; what is there already, by port, it takes
    (``XrdInet::BindSD``). Root may open ports that the server's account may not.
    """
    ports = [port for port in (server.port, server.http_port) if port]
    held = []
    for port in ports:
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("" if server.public else "127.0.0.1", port))
        except OSError as error:
            raise CasitaError(f"port {port} can't be had: {error.strerror}") from None
        one.listen(255)
        held.append(one)
    for number, handle in enumerate([fcntl.fcntl(one, fcntl.F_DUPFD, 100) for one in held]):
        os.dup2(handle, FIRST_HANDLE + number, inheritable=True)
        os.close(handle)
    for one in held:
        if one.fileno() < FIRST_HANDLE + len(held):
            one.detach()  # it has been put in its place, or another has
    os.environ |= {"LISTEN_FDS": str(len(ports)), "LISTEN_PID": str(os.getpid())}


def _become(account: str, folder: Path) -> None:
    """Be an ordinary user from now on, with a folder that root makes for it first."""
    try:
        user = pwd.getpwnam(account)
    except KeyError:
        raise CasitaError(
            f"there is no user {account!r} as whom XRootD could run",
            hint="apt-get install xrootd-server makes one, or set backends.cache.account",
        ) from None
    if user.pw_uid == 0:
        raise CasitaError("XRootD does not run as root", hint="set backends.cache.account")
    folder.mkdir(mode=0o700, exist_ok=True)
    os.chown(folder, user.pw_uid, user.pw_gid)
    os.setgroups([one.gr_gid for one in grp.getgrall() if account in one.gr_mem])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    os.environ["HOME"] = user.pw_dir
    os.chdir("/")


def _credentials(server: Server) -> tuple[str, str]:
    if not server.audience:
        return "", ""
    paths = server.tls or own_certificate(server.directory.parent, server.host)
    try:
        certificate, key = (one.read_text() for one in paths)
    except (OSError, ValueError) as error:
        raise CasitaError(f"the TLS certificate can't be read: {error}") from None
    return certificate, key


def _prepare(server: Server, tls: tuple[str, str], version: tuple[int, ...]) -> None:
    folders = [server.directory, configuration.run_folder(server)]
    if server.role == "cache":
        folders += [server.directory / name for name in ("ns", "data", "meta")]
    for folder in folders:
        folder.mkdir(mode=0o700, exist_ok=True)
    if server.prefix and server.export:
        _link(configuration.tree(server) / server.prefix.strip("/"), server.export)
    if server.keytab and server.role == "origin":
        _make_keytab(server.keytab)
    if server.role == "cache":
        server = _fitted(server)
    _write(server.directory / "xrootd.cfg", configuration.text(server, version))
    if server.audience:
        _write(server.directory / "scitokens.cfg", configuration.scitokens(server))
        for path, content in zip(configuration.credentials(server), tls, strict=True):
            write_atomic(path, content)


def _fitted(server: Server) -> Server:
    """Let a cache have no more than its disk: XRootD refuses to start with a larger limit."""
    total = shutil.disk_usage(server.directory / "data").total
    return server.model_copy(update={"size": min(server.size, int(LARGEST * total))})


def _make_keytab(path: Path) -> None:
    """Make the secret that the facility's own origin and its cache share (XrdSecsssKT)."""
    if path.exists():
        return
    key = secrets.token_hex(32)
    line = f"0 u:casita g:casita n:casita N:1 c:{int(time.time())} e:0 f:0 k:{key}\n"
    write_atomic(path, line)


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _write(path: Path, content: str) -> None:
    path.unlink(missing_ok=True)
    path.write_text(content)


def _wait_for_collector(port: int) -> None:
    """Wait a while for the service that counts: since 5.9 what is sent before that is lost."""
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return


def _run(server: Server, program: Program) -> NoReturn:
    environment = (
        os.environ
        | program.environment
        | {"XDG_CACHE_HOME": str(configuration.keys_folder(server))}
    )
    if server.keytab:
        environment["XrdSecSSSKT"] = str(server.keytab)
    if server.origin and server.origin.token_file:
        environment["BEARER_TOKEN_FILE"] = str(server.origin.token_file)
    if server.origin and server.origin.proxy_file:
        environment["X509_USER_PROXY"] = str(server.origin.proxy_file)
    os.chdir(server.directory)  # it makes a folder for core files where it stands
    command = [program.path, "-c", str(server.directory / "xrootd.cfg"), "-n", server.name]
    os.execve(program.path, command, environment)


if __name__ == "__main__":
    main()
