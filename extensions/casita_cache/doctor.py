"""What is wrong with the caches, for ``casita doctor``."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import ssl
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psutil

from casita.backend import Finding, Place
from casita.errors import CasitaError
from casita.units import format_size
from casita_cache.program import BOUNDARIES, Program, find
from casita_cache.servers import (
    LOOPBACK,
    certificate,
    guarded,
    origins,
    ports,
    servers,
    storage,
)
from casita_cache.settings import CacheSettings

LOW_PART = 0.05


def check(config: CacheSettings, place: Place) -> list[Finding]:
    """Return the findings of every check."""
    if not ports(config):
        return [Finding("ok", "cache", "no origins are configured, so nothing is cached")]
    found = list(_program(config, place))
    found += _account(config)
    found += _space(config, place)
    found += _local(config)
    found += _listening(config, place)
    found += _certificate(config, place)
    return found


def _program(config: CacheSettings, place: Place) -> Iterator[Finding]:
    try:
        program: Program = find(config.program)
    except CasitaError as error:
        yield Finding("error", "XRootD", error.message, error.hint)
        return
    said = f"{program.spoken} at {program.path}"
    if guarded(config, place) and program.leaks:
        yield Finding(
            "error",
            "XRootD",
            f"{said}: a token for /cms would open /cmsX, so it refuses to guard data",
            f"install {'.'.join(map(str, BOUNDARIES))} or newer (backends.cache.program), or set "
            "backends.cache.tokens = false if everybody may read all of it",
        )
    else:
        yield Finding("ok", "XRootD", said)


def _account(config: CacheSettings) -> Iterator[Finding]:
    if os.getuid() != 0:
        return
    try:
        pwd.getpwnam(config.account)
    except KeyError:
        yield Finding(
            "error",
            "cache account",
            f"there is no user {config.account!r}, and XRootD never runs as root",
            "apt-get install xrootd-server, or set backends.cache.account",
        )


def _space(config: CacheSettings, place: Place) -> Iterator[Finding]:
    folder = storage(config, place)
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    wanted = sum(one.size or config.size for one in origins(config, place).values())
    said = f"{format_size(usage.free)} free at {folder}, the caches may take {format_size(wanted)}"
    if usage.free < LOW_PART * usage.total:
        yield Finding("error", "cache disk", said, "`casita cache purge`, or a larger disk")
    elif wanted > usage.total:
        yield Finding(
            "warning", "cache disk", f"{said}: more than the disk has", "lower backends.cache.size"
        )
    else:
        yield Finding("ok", "cache disk", said)


def _local(config: CacheSettings) -> Iterator[Finding]:
    if config.local is None:
        return
    folder = config.local.directory
    if not folder.is_dir():
        yield Finding(
            "error", "local origin", f"{folder} is no folder", "set backends.cache.local.directory"
        )
        return
    if folder.stat().st_mode & 0o022:
        yield Finding(
            "warning",
            "local origin",
            f"others than its owner may write to {folder}: a link that they make there shows "
            "whatever XRootD's account may read, cached files and keys included",
            f"chmod go-w {folder}, and its folders",
        )
    for one in _siblings(folder):
        yield Finding(
            "warning",
            "local origin",
            f"{one[0]} begins with the name of its neighbour {one[1]}: XRootD before "
            f"{'.'.join(map(str, BOUNDARIES))} takes a token for the one for the other, too",
            "rename it, if older servers export it",
        )
        break


def _siblings(folder: Path) -> Iterator[tuple[str, str]]:
    names = sorted(one.name for one in folder.iterdir() if one.is_dir())
    for first, second in pairwise(names):
        if second.startswith(first):
            yield second, first


def _listening(config: CacheSettings, place: Place) -> Iterator[Finding]:
    wanted = {one.port: one.name for one in servers(config, place)}
    wanted |= {one.http_port: one.name for one in servers(config, place) if one.http_port}
    addresses = {
        one.laddr.ip
        for one in psutil.net_connections("tcp")
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port in wanted
    }
    if not addresses:
        return  # it is down
    said = f"listens on {', '.join(sorted(addresses))}"
    if config.host in LOOPBACK and addresses - {"127.0.0.1", "::1"}:
        yield Finding(
            "error",
            "cache addresses",
            f"{said}, though it is for this machine only",
            "`casita restart`; close the port in the firewall until then",
        )
    elif config.host not in LOOPBACK and not guarded(config, place):
        yield Finding(
            "warning",
            "cache addresses",
            f"{said}: everybody who reaches it reads what it caches",
            'set backends.cache.tokens = true, or host = "127.0.0.1"',
        )
    else:
        yield Finding("ok", "cache addresses", said)


def _certificate(config: CacheSettings, place: Place) -> Iterator[Finding]:
    if not guarded(config, place) or certificate(config, place) is None:
        return
    web = [one for one in servers(config, place) if one.http_port]
    if not web:
        return
    context = ssl.create_default_context(cafile=str(config.tls_ca) if config.tls_ca else None)
    try:
        with (
            socket.create_connection((config.host, web[0].http_port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=config.host),
        ):
            yield Finding("ok", "cache certificate", f"is good for {config.host}")
    except ssl.SSLCertVerificationError as error:
        yield Finding(
            "error",
            "cache certificate",
            f"programs won't trust it as {config.host}: {error.verify_message}",
            "set backends.cache.tls_ca to its authority, or host to a name that it has",
        )
    except OSError:
        return  # it is down
