"""A cache of remote files: XCache (XRootD's proxy file cache) in front of any XRootD server.

In a notebook nothing need be done: what is opened by ``root://`` or ``https://`` goes through the
cache if the facility has one for that server.  Besides::

    import casita_cache

    casita_cache.report()            # where the bytes came from
    casita_cache.off()               # go directly from now on
    casita_cache.fileset("ttbar")    # a dataset of the catalogue, for coffea
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from casita.backend import Backend, Finding, Place, Process
from casita_cache.servers import (
    SERVICE,
    Server,
    certificate,
    guarded,
    origins,
    ports,
    servers,
    storage,
)
from casita_cache.settings import CacheSettings

__all__ = ["backend", "card", "files", "fileset", "off", "on", "report"]
PREFIX = "/services/cache"
CLIENT = {
    # Otherwise a kernel waits minutes for a server that is down (XRootD's defaults: 120 s, 5
    # attempts, then 30 minutes until it tries again). Seconds; whoever sets them has their way.
    "XRD_CONNECTIONWINDOW": "10",
    "XRD_CONNECTIONRETRY": "2",
    "XRD_REQUESTTIMEOUT": "60",
    "XRD_STREAMTIMEOUT": "30",
    "XRD_STREAMERRORWINDOW": "30",
}


def _processes(config: CacheSettings, place: Place) -> list[Process]:
    if not ports(config):
        return []
    port = place.ports[SERVICE]
    service = Process(
        name="cache",
        command=(place.python, "-m", "casita_cache.service"),
        environment={
            "CASITA_CACHE_SERVICE": _service(config, place),
            **CLIENT,
            **_trust(config, place),
            **_own_origin(config, place),
        },
        port=port,
        health=f"http://127.0.0.1:{port}{PREFIX}/health",
        priority=50,  # before the servers, whose reports it counts
    )
    return [service, *(_server(one, place) for one in servers(config, place))]


def _server(server: Server, place: Place) -> Process:
    is_cache = server.role == "cache"
    return Process(
        name=server.name if is_cache else "cache-origin",
        command=(place.python, "-m", "casita_cache.launch"),
        environment={"CASITA_CACHE_SERVER": server.model_dump_json()},
        port=server.port,
        health=f"root://127.0.0.1:{server.port}",
        # After the issuer of tokens, whose keys it reads.
        priority=60 if is_cache else 55,
    )


def _service(config: CacheSettings, place: Place) -> str:
    given = {
        "port": place.ports[SERVICE],
        "directory": str(place.directory),
        "issuer": place.issuer,
        "token_file": str(place.secret_file("token")),
        "trust": asdict(place.trust),
        "servers": [one.model_dump(mode="json") for one in servers(config, place)],
        "routes": _routes(config, place),
        "guarded": guarded(config, place),
        "parallel": config.parallel,
        "revalidate": config.revalidate,
        "user_metrics": config.user_metrics,
        "datasets": config.datasets,
        "catalogue": str(config.catalogue.absolute()) if config.catalogue else None,
    }
    return json.dumps(given)


def _routes(config: CacheSettings, place: Place) -> str:
    routes = [
        {
            "name": name,
            "addresses": list(origin.addresses),
            "cache": f"root://{config.host}:{place.ports[f'cache-{name}']}",
        }
        for name, origin in origins(config, place).items()
    ]
    return json.dumps(routes)


def _trust(config: CacheSettings, place: Place) -> dict[str, str]:
    """Return what makes XRootD's client believe the caches' certificate."""
    if config.tls_ca:
        return {"X509_CERT_FILE": str(config.tls_ca.absolute())}
    if guarded(config, place) and not certificate(config, place):
        return {"X509_CERT_FILE": str(storage(config, place) / "certificate.pem")}
    return {}


def _own_origin(config: CacheSettings, place: Place) -> dict[str, str]:
    """Return what lets the service compare files with the facility's own origin."""
    keytabs = [one.keytab for one in servers(config, place) if one.keytab]
    return {"XrdSecSSSKT": str(keytabs[0])} if keytabs else {}


def _hub_services(config: CacheSettings, place: Place) -> list[dict[str, Any]]:
    if not ports(config):
        return []
    token = place.secret_file("token").read_text().strip()
    url = f"http://127.0.0.1:{place.ports[SERVICE]}"
    return [{"name": "cache", "url": url, "api_token": token, "display": False}]


def _user_environment(config: CacheSettings, place: Place) -> dict[str, str]:
    if not ports(config):
        return {}
    environment = {"CASITA_CACHE": _routes(config, place), **CLIENT, **_trust(config, place)}
    if guarded(config, place):
        environment["CASITA_TOKEN_FOR"] = "cache"
    return environment


def _check(config: CacheSettings, place: Place) -> list[Finding]:
    from casita_cache import doctor

    return doctor.check(config, place)


backend = Backend(
    name="cache",
    title="Cache",
    config=CacheSettings,
    commands="casita_cache.commands:app",
    ports=ports,
    processes=_processes,
    hub_services=_hub_services,
    user_environment=_user_environment,
    kernel="casita_cache.kernel",
    scopes={"cache": "access:services!service=cache"},
    check=_check,
)


def __getattr__(name: str) -> Any:
    # The facility imports this package for its declaration only.
    if name in __all__:
        from casita_cache import kernel

        return getattr(kernel, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
