"""In a notebook: find, make and connect to clusters with one call."""

from __future__ import annotations

from typing import Any

from casita.client import connection
from casita.errors import CasitaError, ServiceError
from casita_clusters import engine
from casita_clusters.client import Clusters


def _mine() -> tuple[Any, Clusters]:
    found = connection()
    http = found.http()
    return http, Clusters(http, found.gateway)


def connect(name: str = "") -> Any:
    """Return a ``distributed.Client`` of one of your clusters, wherever it was made.

    Parameters
    ----------
    name
        The cluster, or the beginning of its name; may be left out while there is only one.

    Raises
    ------
    CasitaError
        None or several clusters fit.
    """
    from dask_gateway import Gateway

    http, clusters = _mine()
    with http:
        running = clusters.list()
    if not running:
        raise CasitaError("you have no cluster", hint="new_cluster(workers=2) makes one")
    cluster = engine.pick(running, name)
    joined = Gateway().connect(cluster.name)
    client = joined.get_client()
    client.cluster = joined  # keeps the connection, and shows in the notebook
    return client


def new_cluster(workers: int = 0, *, shutdown_on_close: bool = True, **options: Any) -> Any:
    """Return a ``dask_gateway.GatewayCluster`` that runs, with its workers on their way.

    Parameters
    ----------
    workers
        How many to start with.
    options
        As ``Gateway().cluster_options()`` lists them, e.g. ``worker_cores=2``.

    Raises
    ------
    ServiceError
        Over a limit, or it failed to start: with reason, log and what to do.
    """
    from dask_gateway import Gateway

    http, clusters = _mine()
    with http:
        name = clusters.create(options)
        clusters.wait(name)
    cluster = Gateway().connect(name, shutdown_on_close=shutdown_on_close)
    if workers:
        try:
            cluster.scale(workers)
        except Exception as error:
            cluster.shutdown()
            raise ServiceError(str(error)) from None
    return cluster


def load_security(info: dict[str, Any]) -> Any:
    """Return the TLS credentials of a cluster, for ``Client("gateway://host:port/NAME")``.

    Configured as ``distributed.client.security-loader``; returns None for other addresses.
    """
    address = info.get("address")
    if not isinstance(address, str) or not address.startswith("gateway://"):
        return None
    from dask_gateway import Gateway  # importing it registers the gateway:// protocol

    with Gateway() as gateway:
        return gateway.connect(address.rsplit("/", 1)[-1]).security
