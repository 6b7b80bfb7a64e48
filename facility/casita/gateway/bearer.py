"""A dask preload: schedulers and workers keep a storage token of their cluster's owner.

The gateway gets it for them, by the cluster's own credential, for as long as the cluster runs:
work that takes hours needs no notebook that is still open.  Standard library only:
``--preload /path/to/bearer.py`` works in an environment of the user's own, too.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import urllib.request
from pathlib import Path
from types import ModuleType
from typing import Any

logger = logging.getLogger("distributed.casita.bearer")
TIMEOUT = 10.0


def dask_setup(node: Any) -> None:
    """Get the first token, and renew it from now on (called by dask)."""
    audience = os.environ.get("CASITA_TOKEN_FOR", "")
    path = os.environ.get("BEARER_TOKEN_FILE", "")
    if not audience or not path:
        return
    keeper = _bearer().Keeper(Path(path), lambda: fetch(audience))
    keeper.renew()  # before the first task
    keeper.start()


def fetch(audience: str) -> str:
    """Return a token from the gateway.

    Raises
    ------
    OSError
        It does not answer, or refuses.
    ValueError
        It answers something else.
    """
    where = "{DASK_GATEWAY_API_URL}/v1/clusters/{DASK_GATEWAY_CLUSTER_NAME}/bearer"
    request = urllib.request.Request(
        where.format_map(os.environ),
        json.dumps({"audience": audience}).encode(),
        {"Authorization": f"token {os.environ['DASK_GATEWAY_API_TOKEN']}"},
    )
    # The gateway is on this machine or the site's network: no proxy to the world.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=TIMEOUT) as answer:
        return str(json.load(answer)["access_token"])


def _bearer() -> ModuleType:
    try:
        from casita import bearer
    except ImportError:
        spec = importlib.util.spec_from_file_location(
            "casita_bearer", Path(__file__).parents[1] / "bearer.py"
        )
        assert spec is not None
        assert spec.loader is not None
        bearer = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(bearer)
    return bearer
