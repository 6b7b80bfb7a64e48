"""Dask clusters: the part of the facility that talks to Dask Gateway.

In a notebook::

    from casita_clusters import connect, new_cluster

    cluster = new_cluster(workers=2)
    client = connect(cluster.name, upload=["my_module.py"])

Plain ``dask_gateway.Gateway()`` and ``Client("gateway://...")`` work, too.
"""

from __future__ import annotations

from typing import Any

from casita.backend import Backend

__all__ = ["backend", "connect", "new_cluster", "ship"]

backend = Backend(
    name="clusters",
    title="Dask clusters",
    commands="casita_clusters.commands:app",
    environment={
        # Lets plain `Client("gateway://...")` find the certificates of its cluster.
        "DASK_DISTRIBUTED__CLIENT__SECURITY_LOADER": "casita_clusters.kernel.load_security",
    },
)


def __getattr__(name: str) -> Any:
    # The facility imports this package for its declaration only; dask comes in when it is used.
    if name in ("connect", "new_cluster"):
        from casita_clusters import kernel

        return getattr(kernel, name)
    if name == "ship":
        from casita_clusters.shipping import ship

        return ship
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
