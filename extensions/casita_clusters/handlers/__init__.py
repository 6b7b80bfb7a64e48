"""Clusters in a user's Jupyter server: what the Lab panel talks to."""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from casita_clusters.handlers.extension import ClustersExtension

    return [{"module": "casita_clusters.handlers", "app": ClustersExtension}]
