"""A facility's place on one machine: state directory, ports, secrets.

``FacilityConfig`` says what is wanted; a :class:`Site` adds what this machine gave: where the
state lies, which ports were free and which secrets were generated.  The pure functions of
:mod:`casita.hub`, :mod:`casita.gateway` and :mod:`casita.processes` take a Site.

State directory (0700; files with secrets 0600)::

    site.json          ports and address; the same on every `up`
    casita.toml        the configuration of the last `up`, resolved
    secrets/           one generated secret a file
    etc/               generated configuration of the programs
    logs/  run/        logs; supervisor's socket and pid
    hub/  gateway/     databases
    home/              home folders (embedded profile)
    data/              fetched and generated datasets
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import platformdirs
import tomli_w

from casita import config as configuration
from casita.backend import Backend, Issuer, Place, Trust, load_backends
from casita.config import FacilityConfig
from casita.errors import StateError
from casita.files import (
    create_once,
    own_directory,
    private_directory,
    read_json,
    write_atomic,
    write_json,
)
from casita.ports import choose_ports

PORTS = (
    "public",  # the URL people use (traefik)
    "traffic",  # Dask scheduler traffic, TLS (dask-gateway's proxy)
    "proxy_api",  # traefik's API, for the hub
    "hub",  # the hub behind the proxy
    "gateway",  # Dask Gateway's API behind its front
    "gateway_web",  # dask-gateway's own HTTP proxy: dashboards, behind the front
    "front",  # the gateway's only public door
    "login",  # device login and tokens
    "tokens",  # the issuer of storage tokens
)
FOLDERS = ("secrets", "etc", "logs", "run", "hub", "gateway", "home", "data", "backends")
ANYWHERE = ("", "0.0.0.0", "::")
"""Listening addresses that mean all of the machine's."""
TOKEN_FOR = "CASITA_TOKEN_FOR"
"""The services that users' storage tokens are for, separated by spaces."""
GATEWAY_PREFIX = "/services/dask-gateway"
LOGIN_PREFIX = "/services/login"
TOKENS_PREFIX = "/services/tokens"


def default_state() -> Path:
    """Return the state directory used when none is named: ``$CASITA_STATE`` or the user's."""
    named = os.environ.get("CASITA_STATE")
    return Path(named).absolute() if named else platformdirs.user_state_path("casita")


@dataclass(frozen=True)
class Site:
    """A configuration placed on this machine."""

    config: FacilityConfig
    state: Path
    """Absolute path of the state directory."""
    ports: Mapping[str, int]
    backends: Mapping[str, Backend]
    """The enabled backends."""

    # ---- addresses
    @property
    def url(self) -> str:
        """Public URL without trailing slash."""
        scheme = "https" if self.config.facility.tls_certificate else "http"
        return f"{scheme}://{_reachable(self.config.facility.host)}:{self.ports['public']}"

    @property
    def local_url(self) -> str:
        """The public URL as this machine reaches it, even when it listens on all addresses."""
        facility = self.config.facility
        host = "127.0.0.1" if facility.host in ANYWHERE else _in_url(facility.host)
        return f"{'https' if facility.tls_certificate else 'http'}://{host}:{self.ports['public']}"

    @property
    def hub_api(self) -> str:
        """The hub's API, from this machine, past the proxy."""
        return f"http://127.0.0.1:{self.ports['hub']}/hub/api"

    @property
    def gateway_url(self) -> str:
        """Dask Gateway's public address."""
        return f"{self.url}{GATEWAY_PREFIX}"

    @property
    def inner_gateway_url(self) -> str:
        """Dask Gateway's address for what runs on this machine.

        Where the public address has a certificate, programs here need not trust its issuer.
        """
        if not self.config.facility.tls_certificate:
            return self.gateway_url
        return f"http://127.0.0.1:{self.ports['front']}{GATEWAY_PREFIX}"

    @property
    def gateway_traffic(self) -> str:
        """Where clients reach schedulers, as ``gateway://host:port``."""
        return f"gateway://{_reachable(self.config.facility.host)}:{self.ports['traffic']}"

    # ---- places
    @property
    def etc(self) -> Path:
        """Generated configuration of the programs."""
        return self.state / "etc"

    @property
    def logs(self) -> Path:
        """Logs of the facility's processes."""
        return self.state / "logs"

    @property
    def data(self) -> Path:
        """Fetched and generated datasets."""
        return self.state / "data"

    @property
    def clusters(self) -> Path:
        """Working folders of Dask clusters.

        In the multiuser profile each user must be able to walk to their own, so it lies beside
        the state directory, which nobody else can enter.
        """
        if self.config.multiuser:
            return self.state.with_name(self.state.name + ".clusters")
        return self.state / "clusters"

    @property
    def runtime(self) -> Path:
        """Sockets: a folder for each uid (multiuser profile), the supervisor's if need be.

        Named by this facility, and where nobody but root can put something before us.
        """
        if os.getuid() == 0:
            return Path("/run") / f"casita-{self.instance}"
        return Path(tempfile.gettempdir()) / f"casita-{os.getuid()}-{self.instance}"

    @property
    def instance(self) -> str:
        """Identifies this facility's processes; the value of ``CASITA_INSTANCE``."""
        return sha256(str(self.state).encode()).hexdigest()[:16]

    @property
    def socket(self) -> Path:
        """Supervisor's control socket (a Unix socket's path holds at most 107 bytes)."""
        path = self.state / "run" / "supervisor.sock"
        if len(os.fsencode(path)) < 100:
            return path
        return self.runtime / "supervisor.sock"

    def make_runtime(self) -> None:
        """Make the folder of sockets, through which users walk to their own (multiuser)."""
        own_directory(self.runtime, 0o711 if self.config.multiuser else 0o700)

    def place(self, backend: Backend) -> Place:
        """Return what one backend may know."""
        return Place(
            url=self.url,
            hub_api=self.hub_api,
            directory=self.state / "backends" / backend.name,
            ports={
                name: self.ports[f"{backend.name}.{name}"]
                for name in backend.ports_of(self.settings(backend))
            },
            python=sys.executable,
            trust=self.trust(backend.name),
            profile=self.config.facility.profile,
            tls=self.tls,
            storage=self.storage / backend.name,
            user_environment=self.backend_environment,
            issuer=f"http://127.0.0.1:{self.ports['tokens']}{TOKENS_PREFIX}/token",
            secret_file=lambda name: self.secret_file(f"{backend.name}_{name}"),
        )

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """PEM files of the certificate chain and its key, if there are."""
        facility = self.config.facility
        if facility.tls_certificate is None or facility.tls_key is None:
            return None
        return facility.tls_certificate.absolute(), facility.tls_key.absolute()

    @property
    def storage(self) -> Path:
        """Bulky files of backends. As root, their programs run under accounts of their own."""
        if os.getuid() == 0:
            return Path("/var/cache") / f"casita-{self.instance}"
        return self.state / "backends"

    @property
    def issuer(self) -> str:
        """What storage tokens of this facility name as their issuer."""
        return f"{self.url}{TOKENS_PREFIX}"

    def audience(self, name: str) -> str:
        """Return whom a storage token for the backend ``name`` is for."""
        return f"{self.url}/services/{name}"

    def trust(self, name: str) -> Trust:
        """Return whose storage tokens the backend ``name`` accepts."""
        # Services are on this machine, where no certificate need be believed.
        local = f"http://127.0.0.1:{self.ports['tokens']}{TOKENS_PREFIX}"
        own = Issuer(self.issuer, f"{local}/jwks", f"{local}/revoked")
        others = (Issuer(one.issuer, base=one.base) for one in self.config.tokens.trusted)
        return Trust(self.audience(name), (own, *others))

    def settings(self, backend: Backend) -> Any:
        """Return the validated ``[backends.<name>]`` of one backend."""
        return configuration.backend_settings(self.config, backend)

    def backend_environment(self) -> dict[str, str]:
        """Return what the backends give to every user's server and every Dask worker."""
        environment: dict[str, str] = {}
        modules, audiences = list[str](), list[str]()
        for backend in self.backends.values():
            environment |= backend.environment
            given = backend.user_environment(self.settings(backend), self.place(backend))
            environment |= given
            audiences += given.get(TOKEN_FOR, "").split()
            if backend.kernel and given:  # one that gives users nothing has nothing to install
                modules.append(backend.kernel)
        joined = {"CASITA_KERNEL": ",".join(modules), TOKEN_FOR: " ".join(audiences)}
        return environment | {key: value for key, value in joined.items() if value}

    # ---- secrets
    def secret(self, name: str, size: int = 32) -> str:
        """Return the secret ``name`` as hex, generating ``size`` random bytes the first time."""
        return self.secret_file(name, size).read_text().strip()

    def secret_file(self, name: str, size: int = 32) -> Path:
        """Return the file that holds the secret ``name``."""
        path = self.state / "secrets" / name
        if not path.exists():
            create_once(path, secrets.token_hex(size))
        return path


def _reachable(host: str) -> str:
    """Return a name under which a listening address is reached from this machine."""
    return socket.getfqdn() if host in ANYWHERE else _in_url(host)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def make_directories(state: Path) -> Path:
    """Make the state directory with its folders and return its absolute path.

    Raises
    ------
    StateError
        It can't be used or belongs to somebody else.
    """
    state = state.absolute()
    _check_owner(state)
    for folder in (state, *(state / name for name in FOLDERS)):
        private_directory(folder)
    return state


def prepare(config: FacilityConfig, state: Path, *, forget_ports: Iterable[str] = ()) -> Site:
    """Make the state directory, keep or choose the ports, and return the Site.

    Ports once chosen are kept, so that users' servers and clusters survive a restart.

    Parameters
    ----------
    forget_ports
        Names of ports to choose anew.

    Raises
    ------
    StateError
        The directory can't be used or belongs to somebody else.
    """
    state = make_directories(state)
    backends = configuration.enabled_backends(config, load_backends())
    wanted = [
        *PORTS,
        *(
            f"{one.name}.{port}"
            for one in backends.values()
            for port in one.ports_of(configuration.backend_settings(config, one))
        ),
    ]
    fixed = {"public": config.facility.port, "traffic": config.gateway.port}
    stored = read_json(state / "site.json", {}).get("ports", {})
    kept = {name: port for name, port in stored.items() if name not in set(forget_ports)}
    # A user of the machine could take a free port of a service that is down for a moment, and the
    # passwords and tokens meant for it; ports below 1024 are root's.
    ports = choose_ports(
        wanted,
        {name: port for name, port in fixed.items() if port},
        kept,
        reserved=config.multiuser,
    )
    site = Site(config=config, state=state, ports=ports, backends=backends)
    write_json(state / "site.json", {"ports": ports, "url": site.url})
    write_atomic(
        state / "casita.toml", tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))
    )
    return site


def open_site(state: Path) -> Site:
    """Return the Site of a state directory that an ``up`` has prepared.

    Raises
    ------
    StateError
        There is none.
    """
    state = state.absolute()
    try:
        stored = read_json(state / "site.json")
    except PermissionError:
        raise StateError(
            f"{state} belongs to another user", hint="name your own with --state DIR"
        ) from None
    if not stored:
        raise StateError(f"no facility in {state}", hint="`casita up` starts one")
    backends = load_backends()
    config = configuration.load(state / "casita.toml", backends)
    ports = stored["ports"]
    placed = {
        name: backend
        for name, backend in configuration.enabled_backends(config, backends).items()
        # One that was installed since the last `up` has no place here yet.
        if all(
            f"{name}.{port}" in ports
            for port in backend.ports_of(configuration.backend_settings(config, backend))
        )
    }
    return Site(config=config, state=state, ports=ports, backends=placed)


def _check_owner(state: Path) -> None:
    try:
        owner = state.stat().st_uid
    except OSError:
        return
    if owner != os.getuid():
        raise StateError(
            f"{state} belongs to uid {owner}, you are uid {os.getuid()}",
            hint="name a directory of your own with --state DIR",
        )
