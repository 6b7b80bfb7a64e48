"""In a notebook: find, make and connect to clusters with one call."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dask_gateway import Gateway

from casita.client import Connection, connection
from casita.errors import CasitaError, ServiceError
from casita_clusters import (
    closing,  # noqa: F401 (mends Gateway)
    engine,
    environment,
    shipping,
)
from casita_clusters.client import Clusters


@contextmanager
def _mine() -> Iterator[Clusters]:
    found = connection()
    with found.http() as http:
        yield Clusters(http, found.gateway)


def _join(name: str, *, shutdown_on_close: bool) -> Any:
    with Gateway() as gateway:
        return gateway.connect(name, shutdown_on_close=shutdown_on_close)


def connect(name: str = "", *, upload: Sequence[str | Path] = (), card: bool = True) -> Any:
    """Return a ``distributed.Client`` of one of your clusters, wherever it was made.

    Closing it leaves the cluster running.  Warns of packages that the cluster lacks or has in
    another version.  In a notebook, shows a card with the cluster's state and handles.

    Parameters
    ----------
    name
        The cluster's name or what you call it, or the beginning of either; may be left out while
        there is only one.
    upload
        Modules of your own for its workers: ``.py`` files, package folders or archives; see
        :func:`casita_clusters.ship`.
    card
        Whether to show the card.

    Raises
    ------
    CasitaError
        None or several clusters fit; or what is to be uploaded can't be.
    """
    bundles = [shipping.pack(Path(one)) for one in upload]  # before anything is connected
    with _mine() as clusters:
        running = clusters.list()
        if not running:
            raise CasitaError("you have no cluster", hint="new_cluster(workers=2) makes one")
        cluster = running[0] if not name and len(running) == 1 else engine.pick(running, name)
        joined = _join(cluster.name, shutdown_on_close=False)  # waits until it runs
        warning = _warning(clusters, cluster.name)
    client = joined.get_client()
    client.cluster = joined  # keeps the connection
    try:
        shipping.send(client, bundles)
    except BaseException:
        client.close()
        raise
    if card and _in_notebook():
        _show_card(client, connection(), cluster.name, warning)
    elif warning:
        warnings.warn(warning, stacklevel=2)
    return client


def _warning(clusters: Clusters, name: str) -> str:
    try:
        return environment.warning(environment.compare(clusters.packages(name)))
    except CasitaError:
        return ""  # a cluster in an environment that does not tell


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")


def _show_card(client: Any, where: Connection, name: str, warning: str) -> None:
    from IPython.display import display

    from casita_clusters.card import Card

    shown = Card(client, where, name, warning)
    display(shown.box)
    shown.follow()


def new_cluster(workers: int = 0, *, shutdown_on_close: bool = True, **options: Any) -> Any:
    """Return a ``dask_gateway.GatewayCluster`` that runs, with its workers on their way.

    Parameters
    ----------
    workers
        How many to start with.
    shutdown_on_close
        Stop the cluster when this object is closed, at the latest with the kernel.
    options
        As ``Gateway().cluster_options()`` lists them, e.g. ``worker_cores=2``.

    Raises
    ------
    ServiceError
        Over a limit, or it failed to start: with reason, log and what to do.
    """
    with _mine() as clusters:
        name = clusters.create(options)
        try:
            clusters.wait(name)
            if workers:
                clusters.scale(name, workers)
            return _join(name, shutdown_on_close=shutdown_on_close)
        except BaseException:
            clusters.abandon(name)
            raise


def load_security(info: dict[str, Any]) -> Any:
    """Return the TLS credentials of a cluster, for ``Client("gateway://host:port/NAME")``.

    Configured as ``distributed.client.security-loader``; returns None for other addresses.

    Raises
    ------
    ServiceError
        The cluster does not run.
    """
    address = info.get("address")
    if not isinstance(address, str) or not address.startswith("gateway://"):
        return None
    name = address.rsplit("/", 1)[-1]
    with Gateway() as gateway:
        security = gateway.get_cluster(name).security
    if security is None:
        raise ServiceError(f"cluster {name} does not run", hint="`casita clusters list`")
    return security
