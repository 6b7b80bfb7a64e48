"""TCP ports of this machine: free ones, and those that only root can take."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path


def choose_ports(
    wanted: Iterable[str],
    fixed: Mapping[str, int],
    kept: Mapping[str, int],
    *,
    reserved: bool = False,
) -> dict[str, int]:
    """Return a port per name: the fixed one, else the one of last time, else a free one.

    Parameters
    ----------
    reserved
        Choose ports that only root can take, if this machine has any.
    """
    wanted = list(wanted)
    ports = {name: fixed.get(name) or kept.get(name) or 0 for name in wanted}
    missing = [name for name in wanted if not ports[name]]
    taken = set(ports.values())
    while missing:
        for name, port in zip(missing, free_ports(len(missing), reserved=reserved), strict=True):
            if port not in taken:
                ports[name] = port
                taken.add(port)
        missing = [name for name in missing if not ports[name]]
    return ports


def free_ports(count: int, *, reserved: bool = False) -> list[int]:
    """Return ``count`` different TCP ports on which nobody listens now."""
    candidates = reserved_ports() if reserved else []
    held: list[socket.socket] = []
    try:
        while len(held) < count:
            one = socket.socket()
            try:
                one.bind(("127.0.0.1", candidates.pop() if candidates else 0))
            except OSError:
                one.close()
            else:
                held.append(one)
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


def reserved_ports() -> list[int]:
    """Return ports that only root can take and that no known service has, in random order."""
    ports = [port for port in range(600, first_open_port()) if not _service(port)]
    random.shuffle(ports)
    return ports


def first_open_port() -> int:
    """Return the first port that any user of this machine may take."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    except (OSError, ValueError):
        return 1024


def _service(port: int) -> str:
    try:
        return socket.getservbyport(port, "tcp")
    except OSError:
        return ""
