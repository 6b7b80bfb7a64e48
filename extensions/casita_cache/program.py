"""Which XRootD is on this machine, and what it can't do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass

from casita.errors import CasitaError
from casita_cache.servers import Server

BOUNDARIES = (5, 9, 3)
"""Since then a token for /cms does not open /cmsX (XRootD's release notes)."""


INITIALISED = (5, 6, 2)
"""Before, page checksums of a cache read a pointer that nobody has set (XrdScheduler.cc), and the
server ends at its start if memory that was used before happens to lie there."""
ZEROED = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0:glibc.malloc.perturb=255"}
"""Lets the C library hand out zeroed memory, so that the pointer is none."""


@dataclass(frozen=True)
class Program:
    """A server's program."""

    path: str
    version: tuple[int, ...]

    @property
    def spoken(self) -> str:
        """The version for people."""
        return ".".join(map(str, self.version))

    @property
    def environment(self) -> dict[str, str]:
        """What it needs besides."""
        return ZEROED if self.version < INITIALISED else {}

    @property
    def leaks(self) -> bool:
        """Whether its tokens open neighbours of what they are for."""
        return self.version < BOUNDARIES

    def refuse(self, server: Server) -> None:
        """Refuse to guard data with a program that can't.

        Raises
        ------
        CasitaError
            It can't.
        """
        if server.audience and self.leaks:
            wanted = ".".join(map(str, BOUNDARIES))
            raise CasitaError(
                f"{self.path} is XRootD {self.spoken}, where a token for /cms opens /cmsX, too: "
                "it must not guard data",
                hint=f"install XRootD {wanted} or newer and name it by backends.cache.program, or "
                "set backends.cache.tokens = false if everybody may read all of it",
            )


def find(name: str) -> Program:
    """Return the program called ``name``.

    Raises
    ------
    CasitaError
        It is not there, or is something else.
    """
    path = shutil.which(name)
    if path is None:
        raise CasitaError(
            f"{name}: no such program on this machine",
            hint="apt-get install xrootd-server xrootd-server-plugins",
        )
    try:
        # It writes its version to stderr, and would make a log folder where it stands.
        done = subprocess.run(
            [path, "-v"], capture_output=True, text=True, timeout=20, check=False, cwd="/"
        )
        found = re.search(r"v(\d+)\.(\d+)\.(\d+)", done.stdout + done.stderr)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CasitaError(f"{path} can't be run: {error}") from None
    if found is None:
        raise CasitaError(f"{path} does not tell XRootD's version: {done.stderr[:200].strip()}")
    return Program(os.path.abspath(path), tuple(map(int, found.groups())))  # noqa: PTH100
