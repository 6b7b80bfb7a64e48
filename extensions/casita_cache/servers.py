"""``[backends.cache]`` -> the XRootD servers to run.  Pure.

One server for each origin: XRootD's cache names a file by its path alone, so that two origins in
one cache would be mistaken for each other.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from casita.backend import Place, Settings
from casita_cache.settings import LOCAL, CacheSettings, Origin

SERVICE = "service"
"""Name of the service's TCP port; the servers send their monitoring to UDP of the same number."""


LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Trusted(Settings):
    """An issuer of tokens, as XRootD is told of it."""

    url: str
    keys: str
    """Where the launcher gets the keys; "": XRootD gets them itself."""
    base: str


class Server(Settings):
    """One XRootD server, whole: what its launcher is given."""

    name: str
    role: Literal["cache", "origin"]
    port: int
    http_port: int
    """0: it does not speak HTTP."""
    program: str
    account: str
    """User to become; "": stay."""
    directory: Path
    """For its own files."""
    host: str
    monitor: int
    """UDP port on this machine."""
    audience: str = ""
    """Of tokens; "": readers need none."""
    issuers: tuple[Trusted, ...] = ()
    tls: tuple[Path, Path] | None = None
    """Certificate and key, PEM; None: one of its own."""
    origin: Origin | None = None
    """What a cache caches."""
    size: int = 0
    low: float = 0.9
    block_size: int = 0
    prefetch: int = 0
    memory: int = 0
    keytab: Path | None = None
    """Shared secret of the facility's own origin and its cache; None: anybody may read there."""
    export: Path | None = None
    """What an origin exports."""
    prefix: str = ""

    @property
    def public(self) -> bool:
        """Whether it is for other machines, too."""
        return self.host not in LOOPBACK


def ports(config: CacheSettings) -> tuple[str, ...]:
    """Return the names of the ports that are needed: none for a facility without origins."""
    names = [f"cache-{name}" for name in config.origins]
    if config.local:
        names += ["origin", f"cache-{LOCAL}"]
    if not names:
        return ()
    return (SERVICE, *names, *(f"{name}-http" for name in names if name != "origin"))


def guarded(config: CacheSettings, place: Place) -> bool:
    """Whether readers need tokens."""
    return place.profile == "multiuser" if config.tokens is None else config.tokens


def origins(config: CacheSettings, place: Place) -> dict[str, Origin]:
    """Return all origins by name, the local one included."""
    found = dict(config.origins)
    if config.local:
        found[LOCAL] = Origin(url=f"root://127.0.0.1:{place.ports['origin']}", sees_tokens=True)
    return found


def servers(config: CacheSettings, place: Place) -> list[Server]:
    """Return the servers, origins first."""
    found = []
    if config.local:
        export, prefix = config.local.directory.absolute(), config.local.prefix
        common = _common(config, place, "origin")
        found.append(Server(**common, http_port=0, role="origin", export=export, prefix=prefix))
    for name, origin in origins(config, place).items():
        found.append(_cache(config, place, name, origin))
    return found


def _cache(config: CacheSettings, place: Place, name: str, origin: Origin) -> Server:
    full = f"cache-{name}"
    with_http = origin.sees_tokens or not guarded(config, place)
    return Server(
        **_common(config, place, full),
        **(_guard(config, place) if guarded(config, place) else {}),
        http_port=place.ports[f"{full}-http"] if with_http else 0,
        role="cache",
        origin=origin,
        size=origin.size or config.size,
        low=config.low,
        block_size=config.block_size,
        prefetch=config.prefetch,
        memory=config.memory,
    )


def _common(config: CacheSettings, place: Place, name: str) -> dict[str, Any]:
    root = os.getuid() == 0
    own = guarded(config, place) and name in ("origin", f"cache-{LOCAL}")
    return {
        "name": name,
        "port": place.ports[name],
        "program": config.program,
        "account": config.account if root else "",
        "directory": storage(config, place) / name,
        # The facility's own origin is for its own cache.
        "host": LOOPBACK[0] if name == "origin" else config.host,
        "monitor": place.ports[SERVICE],
        "keytab": storage(config, place) / "origin" / "keytab" if own else None,
    }


def certificate(config: CacheSettings, place: Place) -> tuple[Path, Path] | None:
    """Return the certificate and key that the site has given, if it has."""
    if config.tls_certificate and config.tls_key:
        return config.tls_certificate.absolute(), config.tls_key.absolute()
    # A facility's own names its public address, which for a cache on loopback is the wrong one.
    return place.tls if config.host not in LOOPBACK else None


def storage(config: CacheSettings, place: Place) -> Path:
    """Return the folder in which every server has its own."""
    return (config.directory or place.storage).absolute()


def _guard(config: CacheSettings, place: Place) -> dict[str, Any]:
    issuers = tuple(
        Trusted(url=one.url, keys=one.keys, base=one.base) for one in place.trust.issuers
    )
    return {
        "audience": place.trust.audience,
        "issuers": issuers,
        "tls": certificate(config, place),
    }
