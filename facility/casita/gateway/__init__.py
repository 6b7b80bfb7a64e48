"""FacilityConfig -> Dask Gateway traitlets.  Pure: :func:`configure` only fills ``c``.

The gateway runs beside the hub, not below it, so that a restart of either leaves clusters alone.
Its own proxy (a program of its own, too) carries scheduler traffic; dashboards and the API reach
people through :mod:`casita.gateway.front` only.
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Any

from casita.site import GATEWAY_PREFIX, TOKENS_PREFIX, Site

SERVICE = "dask-gateway"
"""Name of the hub service; ``access:services!service=dask-gateway`` is the scope that opens it."""
SCHEDULER_MEMORY = 2 * 2**30


def configure(site: Site, c: Any) -> None:
    """Fill a traitlets ``Config`` for dask-gateway-server, both its server and its proxy.

    Parameters
    ----------
    site
        The facility on this machine.
    c
        What ``get_config()`` returns inside ``dask_gateway_config.py``.
    """
    _addresses(site, c)
    _identity(site, c)
    _clusters(site, c)
    _backend(site, c)


def _addresses(site: Site, c: Any) -> None:
    host = site.config.facility.host
    c.DaskGateway.address = f"127.0.0.1:{site.ports['gateway']}"
    c.Proxy.externally_managed = True
    c.Proxy.address = f"127.0.0.1:{site.ports['gateway_web']}"
    c.Proxy.tcp_address = f"{f'[{host}]' if ':' in host else host}:{site.ports['traffic']}"
    c.Proxy.prefix = GATEWAY_PREFIX
    c.Proxy.api_token = site.secret("gateway_proxy_token")


def _identity(site: Site, c: Any) -> None:
    c.DaskGateway.authenticator_class = "casita.gateway.authenticator.HubAuthenticator"
    c.JupyterHubAuthenticator.jupyterhub_api_url = site.hub_api
    c.JupyterHubAuthenticator.jupyterhub_api_token = site.secret("gateway_token")
    c.JupyterHubAuthenticator.jupyterhub_service_name = SERVICE


def _clusters(site: Site, c: Any) -> None:
    from casita.gateway.options import cluster_options, commands

    scheduler, worker = commands(Path(sys.prefix), preloads=True)
    # The names that dask-gateway defaults to are gone from distributed.
    c.ClusterConfig.scheduler_cmd = scheduler
    c.ClusterConfig.worker_cmd = worker
    c.ClusterConfig.scheduler_memory = SCHEDULER_MEMORY
    c.ClusterConfig.idle_timeout = site.config.gateway.idle_timeout
    c.ClusterConfig.environment = {
        **site.backend_environment(),
        "CASITA_PRELOAD": ",".join(site.config.gateway.preload),
    }
    c.Backend.cluster_options = cluster_options(site.config.gateway)


def _backend(site: Site, c: Any) -> None:
    gateway = site.config.gateway
    kind = "UserBackend" if site.config.multiuser else "EmbeddedBackend"
    c.DaskGateway.backend_class = f"casita.gateway.backends.{kind}"
    backend = c[kind]
    backend.clusters_directory = str(site.clusters)
    backend.failed_directory = str(site.state / "gateway" / "failed")
    backend.homes_directory = str(site.state / "home")
    backend.instance = site.instance
    backend.issuer = f"http://127.0.0.1:{site.ports['tokens']}{TOKENS_PREFIX}/token"
    backend.issuer_token = site.secret("gateway_token")
    backend.user_clusters = gateway.user_clusters
    backend.user_cores = gateway.user_cores
    backend.user_memory = gateway.user_memory
    c.DBBackendBase.db_url = f"sqlite:///{site.state / 'gateway' / 'gateway.sqlite'}"
    key = bytes.fromhex(site.secret("gateway_encryption"))
    c.DBBackendBase.db_encrypt_keys = [base64.b64encode(key).decode()]
    c.DBBackendBase.stop_clusters_on_shutdown = False
    # Schedulers call the API itself, not through the proxy, which may restart.
    c.DBBackendBase.api_url = f"http://127.0.0.1:{site.ports['gateway']}/api"
    c.DBBackendBase.cluster_start_timeout = gateway.start_timeout
    c.DBBackendBase.worker_start_timeout = gateway.start_timeout
    # Only what is starting is looked at so often: a scheduler that dies at once is noticed at once.
    c.DBBackendBase.cluster_status_period = 1
    c.DBBackendBase.worker_status_period = 1
    # A restart of the gateway takes seconds; clusters must not be given up meanwhile.
    c.DBBackendBase.cluster_heartbeat_period = 10
    c.DBBackendBase.cluster_heartbeat_timeout = 60
