"""The file in which programs find their user's storage token, renewed before it expires.

WLCG Bearer Token Discovery (https://doi.org/10.5281/zenodo.3937437): a program looks at
``BEARER_TOKEN``, then at the file named by ``BEARER_TOKEN_FILE``, then at
``$XDG_RUNTIME_DIR/bt_u$UID``.  A Jupyter server keeps that file for its kernels, a scheduler or
worker for the tasks in it.  Standard library only: workers may run in an environment without us.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

logger = logging.getLogger("distributed.casita.bearer")
SHARE = 0.5
"""A token is renewed after this part of its life, so that a service may be down for the rest."""
RETRY_SECONDS = (1.0, 30.0)
LOOK_SECONDS = 3600.0
"""The file is looked at so often, though its token be good for years: it may be gone."""


class Keeper:
    """Keeps one file.

    Parameters
    ----------
    path
        The file; others may keep the same one.
    fetch
        Returns a new token; whatever it raises means that it is to be asked again.
    """

    def __init__(self, path: Path, fetch: Callable[[], str]) -> None:
        self._path = path
        self._fetch = fetch
        self._stop = threading.Event()
        self._pause = RETRY_SECONDS[0]
        self.trouble = ""
        """Why there is no new token, or ""."""

    def start(self) -> None:
        """Renew from now on, in a thread."""
        threading.Thread(target=self._run, name="casita-bearer", daemon=True).start()

    def stop(self) -> None:
        """Renew no more."""
        self._stop.set()

    def renew(self) -> float:
        """See to the token once; returns after how many seconds that is due again."""
        if (left := _renewal(claims(read(self._path)))) > 0:
            return left  # another program has just done it
        try:
            token = self._fetch()
            foreign = is_foreign(read(self._path), token)
            if not foreign:
                write(self._path, token)
        except Exception as error:
            return self._failed(error)
        self.trouble, self._pause = "", RETRY_SECONDS[0]
        if foreign:
            logger.info("%s holds a token of the user's own: left alone", self._path)
            return 60.0
        return max(1.0, _renewal(claims(token)))

    def _failed(self, error: Exception) -> float:
        if str(error) != self.trouble:
            self.trouble = str(error)
            logger.warning("no new storage token, asking again: %s", error)
        pause, self._pause = self._pause, min(2 * self._pause, RETRY_SECONDS[1])
        return pause

    def _run(self) -> None:
        pause = 0.0
        # The others that keep the file should find it new.
        while not self._stop.wait(min(pause, LOOK_SECONDS) * random.uniform(1.0, 1.05)):
            pause = self.renew()


def read(path: Path) -> str:
    """Return the token in a file, or ""."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def write(path: Path, token: str) -> None:
    """Put a token into a file of the user's alone (0600), whole at any moment.

    Raises
    ------
    OSError
        It can't be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(token)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def claims(token: str) -> dict[str, Any]:
    """Return what a token says, *unverified*; empty for what is none."""
    try:
        payload = token.split(".")[1]
        content = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def is_foreign(there: str, ours: str) -> bool:
    """Whether the token in the file is one that its user has put there, and that is good yet."""
    found = claims(there)
    try:
        over = float(found["exp"]) < time.time()
    except (KeyError, TypeError, ValueError, OverflowError):
        over = False
    return bool(there) and not over and found.get("iss") != claims(ours).get("iss")


def _renewal(token: dict[str, Any]) -> float:
    """Return in how many seconds a token is to be renewed; 0 or less: now."""
    try:
        begins, ends = float(token["iat"]), float(token["exp"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0.0
    return begins + SHARE * (ends - begins) - time.time()
