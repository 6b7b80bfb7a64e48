"""By which name a connection logs in at a cache: one that changes with the storage token."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path


def token_tag() -> str:
    """Return a login name that changes with the storage token, or "" without one.

    XRootD logs a connection in once, and goes on with that token after it has expired: files
    opened later are refused. With another login name a new connection is made, which logs in with
    the token of now.
    """
    token = os.environ.get("BEARER_TOKEN", "")
    if not token:
        path = os.environ.get("BEARER_TOKEN_FILE") or Path(
            os.environ.get("XDG_RUNTIME_DIR", "/nowhere"), f"bt_u{os.getuid()}"
        )
        try:
            token = Path(path).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return ""
    return "t" + sha256(token.encode()).hexdigest()[:7] if token else ""
