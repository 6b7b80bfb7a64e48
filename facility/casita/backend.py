"""The contract between the facility and what it offers.

A backend is a package that registers one :class:`Backend` under the entry-point group
``casita.backends``.  The facility asks it for processes to run, hub services to announce,
environment for users and findings for ``casita doctor``; it never imports it by name.
This module is light on purpose: standard library and pydantic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from casita.errors import ConfigError

GROUP = "casita.backends"


class Settings(BaseModel):
    """Base of every table of ``casita.toml``: unknown keys are refused, values can't change."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


@dataclass(frozen=True)
class Process:
    """One long-running program of the facility.

    The same declaration feeds supervisord on one machine and the chart on Kubernetes.
    """

    name: str
    """Unique, lower case, with hyphens; names the log and the line of ``casita status``."""
    command: tuple[str, ...]
    """Absolute path of the program and its arguments. Never a secret: others can read it."""
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    """TCP port on which it answers, shown by ``casita status``."""
    health: str = ""
    """URL that answers below 400 once the process is ready, or ``root://host:port`` of an XRootD
    server; empty: ready when it runs."""
    ready_within: float = 60.0
    """Seconds from start to a healthy answer before the start counts as failed."""
    stop_within: float = 15.0
    """Seconds from SIGTERM to SIGKILL."""
    priority: int = 100
    """Lower starts earlier and stops later."""


@dataclass(frozen=True)
class Finding:
    """One line of ``casita doctor``."""

    level: Literal["ok", "warning", "error"]
    subject: str
    """What was looked at, in a few words."""
    detail: str = ""
    """What was found."""
    remedy: str = ""
    """What to type or change; empty when all is well."""


@dataclass(frozen=True)
class Issuer:
    """Somebody who signs storage tokens."""

    url: str
    """The claim ``iss``."""
    keys: str = ""
    """URL of its keys (JWKS); by default its ``.well-known/openid-configuration`` names it."""
    revoked: str = ""
    """URL of the list of tokens that were taken back, if it has one."""
    base: str = "/"
    """Below this path lie the paths that its tokens speak of."""


@dataclass(frozen=True)
class Trust:
    """Whose tokens a backend's services accept."""

    audience: str
    """What a token's ``aud`` holds; one for each backend."""
    issuers: tuple[Issuer, ...]
    """The facility's own first."""


@dataclass(frozen=True)
class Place:
    """Where a facility stands, as a backend may know it."""

    url: str
    """Public URL without trailing slash, e.g. ``http://127.0.0.1:20400``."""
    hub_api: str
    """The hub's API as seen on this machine."""
    directory: Path
    """The backend's own folder below the state directory."""
    ports: Mapping[str, int]
    """The ports asked for by :attr:`Backend.ports`, by name."""
    python: str
    """Interpreter of the facility's environment."""
    trust: Trust
    """Whose storage tokens are good for the backend."""
    profile: str = "embedded"
    tls: tuple[Path, Path] | None = None
    """PEM files of the facility's certificate chain and key, if it has them."""
    storage: Path = Path()
    """For bulky files, also of programs that run under another account."""
    user_environment: Callable[[], Mapping[str, str]] = dict
    """Returns what the backends together give to users' servers and Dask workers."""
    issuer: str = ""
    """Token endpoint of the facility's issuer of storage tokens, on this machine."""
    secret_file: Callable[[str], Path] = Path
    """Returns the file (0600) of a generated secret, by a name within the backend."""


def _nothing(config: Any, place: Place) -> list[Any]:
    return []


def _no_environment(config: Any, place: Place) -> dict[str, str]:
    return {}


@dataclass(frozen=True)
class Backend:
    """What a backend declares; validated when it is loaded."""

    name: str
    """Name of the table ``[backends.<name>]`` and of the sub-command ``casita <name>``."""
    title: str
    """For people, e.g. "Dask clusters"."""
    config: type[Settings] = Settings
    """Schema of ``[backends.<name>]``."""
    commands: str = ""
    """``module:attribute`` of a typer application, or empty."""
    ports: tuple[str, ...] | Callable[[Any], tuple[str, ...]] = ()
    """Names of TCP ports, maybe depending on the settings; the facility chooses and keeps them."""
    processes: Callable[[Any, Place], list[Process]] = _nothing
    hub_services: Callable[[Any, Place], list[dict[str, Any]]] = _nothing
    """Entries of ``c.JupyterHub.services``."""
    user_environment: Callable[[Any, Place], dict[str, str]] = _no_environment
    """What every user's server and every Dask worker receives. Never a secret.

    ``CASITA_TOKEN_FOR`` adds services to those that the users' storage token is for.
    """
    environment: Mapping[str, str] = field(default_factory=dict)
    """What every program that uses the facility gets, inside it and under ``casita run``."""
    scopes: Mapping[str, str] = field(default_factory=dict)
    """Short names for ``casita token create --scope`` and the hub scope each stands for."""
    check: Callable[[Any, Place], list[Finding]] = _nothing
    login: str = ""
    """``module:function`` that ``casita login`` calls with the new ``casita.client.Connection``
    and this machine's home folder; returns a line to print, or ""."""
    for_users: bool = False
    """Whether its hub service may have users' storage tokens, to read what they asked it to."""
    kernel: str = ""
    """Module whose ``install()`` is called when a kernel starts, and when a Dask worker does."""

    def ports_of(self, config: Any) -> tuple[str, ...]:
        """Return the names of its ports."""
        return self.ports if isinstance(self.ports, tuple) else self.ports(config)


def load_backends() -> dict[str, Backend]:
    """Return every installed backend by name.

    Raises
    ------
    ConfigError
        An entry point can't be imported or is no valid :class:`Backend`; it is named.
    """
    found: dict[str, Backend] = {}
    for entry in entry_points(group=GROUP):
        try:
            backend = entry.load()
        except Exception as error:
            raise ConfigError(
                f"backend {entry.name!r} ({entry.value}) can't be imported: {error}",
                hint="reinstall the package that provides it, or remove it",
            ) from error
        found[entry.name] = _valid(entry.name, backend)
    return found


def _valid(name: str, backend: object) -> Backend:
    if not isinstance(backend, Backend):
        raise ConfigError(
            f"backend {name!r} is a {type(backend).__name__}, not a casita.backend.Backend",
            hint="let the entry point name a Backend instance",
        )
    if backend.name != name:
        raise ConfigError(
            f"backend {name!r} calls itself {backend.name!r}",
            hint="give the entry point and the declaration the same name",
        )
    if not issubclass(backend.config, Settings):
        raise ConfigError(f"backend {name!r}: config must derive from casita.backend.Settings")
    return backend
