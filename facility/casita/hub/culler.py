"""Stops users' servers that have been idle for too long (``python -m casita.hub.culler``).

The work is jupyterhub-idle-culler's; this hands it its token by environment, so that the secret
is in no configuration of the supervisor and in no process list.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import httpx

from casita.site import open_site


def main() -> None:
    """Run the culler for the facility named by ``--state``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    site = open_site(parser.parse_args().state)
    while not _answers(f"{site.hub_api}/"):
        time.sleep(1)
    timeout = site.config.servers.idle_timeout
    os.environ["JUPYTERHUB_API_TOKEN"] = site.secret("culler_token")
    every = max(30, min(600, timeout // 4))
    options = [f"--url={site.hub_api}", f"--timeout={timeout}", f"--cull-every={every}"]
    os.execv(sys.executable, [sys.executable, "-m", "jupyterhub_idle_culler", *options])


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    main()
