"""FacilityConfig: the single schema of a facility.

Validation, the reference page, the JSON schema and (later) the chart's values come from it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from casita.addresses import is_loopback
from casita.auth.scopes import normalised
from casita.backend import Settings
from casita.units import Duration, Size

Port = Annotated[int, Field(ge=0, le=65535)]
UserName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_.-]{0,31}$")]
Profile = Literal["embedded", "multiuser"]


def _issuer(url: str) -> str:
    """Refuse an issuer that somebody on the way could pretend to be."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (
        parts.scheme == "http" and is_loopback(parts.hostname or "")
    ):
        raise ValueError(f"{url!r} is no https:// URL")
    return url


StoragePath = Annotated[str, AfterValidator(normalised)]
"""An absolute path as storage tokens know it."""


class FacilityTable(Settings):
    """What the facility is and where it listens."""

    name: Annotated[str, Field(min_length=1, max_length=60)] = Field(
        default="casita", description="Shown on the login page and in the browser's title."
    )
    profile: Profile = Field(
        default="embedded",
        description="`embedded`: one person, unprivileged. `multiuser`: several people on one "
        "server, each under their own system account; needs root.",
    )
    host: str = Field(
        default="127.0.0.1",
        description="Address on which the public URL and the scheduler port listen. Everything "
        "else always listens on 127.0.0.1.",
    )
    port: Port = Field(default=0, description="Port of the public URL; 0 takes a free one.")
    tls_certificate: Path | None = Field(
        default=None,
        description="PEM file with the certificate chain; makes the URL https.",
        examples=["/etc/casita/fullchain.pem"],
    )
    tls_key: Path | None = Field(
        default=None,
        description="PEM file with the private key.",
        examples=["/etc/casita/privkey.pem"],
    )

    @model_validator(mode="after")
    def _both_tls_files(self) -> FacilityTable:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together: give both or neither")
        return self


class LoginTable(Settings):
    """Who may log in, and for how long."""

    admin: UserName = Field(
        default="admin",
        description="The administrator; in the embedded profile the only user there is.",
    )
    users: list[UserName] = Field(
        default_factory=list,
        description="multiuser: who may log in besides the administrator. Empty: everybody whose "
        "system account PAM accepts (never root).",
    )
    create_users: bool = Field(
        default=False,
        description="multiuser: let the hub create the system account of a user whom an "
        "administrator adds.",
    )
    token_lifetime: Duration = Field(
        default=14 * 86400, description="Longest life of any hub token.", validate_default=True
    )
    session_lifetime: Duration = Field(
        default=12 * 3600, description="Life of a browser's login to servers and services."
    )


class ServersTable(Settings):
    """The users' Jupyter servers."""

    idle_timeout: Duration = Field(
        default=8 * 3600, description="A server without activity for so long is stopped."
    )
    start_timeout: Duration = Field(
        default=120, description="How long a server may take to answer after its start."
    )


class GatewayTable(Settings):
    """Dask clusters: what a user may ask for, and the limits."""

    port: Port = Field(
        default=0, description="Port for scheduler traffic (TLS); 0 takes a free one."
    )
    worker_cores: Annotated[int, Field(ge=1)] = Field(
        default=1, description="Cores of a worker unless the user asks for more."
    )
    worker_cores_max: Annotated[int, Field(ge=1)] = Field(
        default=4, description="Most cores a user may ask for in one worker."
    )
    worker_memory: Size = Field(
        default=2 * 2**30, description="Memory of a worker unless the user asks for more."
    )
    worker_memory_max: Size = Field(
        default=8 * 2**30, description="Most memory a user may ask for in one worker."
    )
    environments: dict[str, Path] = Field(
        default_factory=dict,
        description="Further Python environments for clusters: name and folder (the one that "
        "holds bin/python). The facility's own is always offered, under the name `casita`.",
    )
    idle_timeout: Duration = Field(
        default=3600, description="A cluster without work for so long is stopped."
    )
    start_timeout: Duration = Field(
        default=60, description="How long a scheduler or a worker may take to report."
    )
    user_clusters: Annotated[int, Field(ge=1)] = Field(
        default=4, description="Clusters a user may have at a time."
    )
    user_cores: Annotated[int, Field(ge=1)] = Field(
        default_factory=lambda: max(4, os.cpu_count() or 1),
        description="Worker cores a user may have at a time, over all clusters. Default: the "
        "cores of the machine, at least 4.",
        examples=[8],
    )
    user_memory: Size = Field(
        default_factory=lambda: max(8 * 2**30, _machine_memory()),
        description="Worker memory a user may have at a time, over all clusters. Default: the "
        "memory of the machine, at least 8 GiB.",
        examples=["16 GiB"],
    )
    preload: list[str] = Field(
        default=["coffea.processor", "coffea.nanoevents"],
        description="Modules that workers import while they start, so that the first task need "
        "not wait for them.",
    )

    @model_validator(mode="after")
    def _defaults_within_limits(self) -> GatewayTable:
        for name in ("worker_cores", "worker_memory"):
            if getattr(self, name) > getattr(self, f"{name}_max"):
                raise ValueError(f"{name} is larger than {name}_max")
        if "casita" in self.environments:
            raise ValueError("environments: `casita` is the facility's own; choose another name")
        return self


class GroupTable(Settings):
    """Paths that a group of users may read or write."""

    members: list[UserName] = Field(
        default_factory=list, description="Users, besides those of the hub's group of this name."
    )
    read: list[StoragePath] = Field(default_factory=list, description="They may read below these.")
    write: list[StoragePath] = Field(
        default_factory=list, description="They may read, add, replace and delete below these."
    )
    stage: list[StoragePath] = Field(
        default_factory=list,
        description="They may decide below these what caches keep: pin and evict.",
    )


class TrustedIssuer(Settings):
    """An issuer of tokens outside the facility, e.g. an experiment's IAM, or CILogon."""

    issuer: Annotated[str, AfterValidator(_issuer)] = Field(
        description="Its URL, exactly as in its tokens."
    )
    base: StoragePath = Field(
        default="/", description="The paths in its tokens lie below this one of ours."
    )


class TokensTable(Settings):
    """Storage tokens: what users' tokens for data services allow, and whose tokens are good."""

    lifetime: Annotated[Duration, Field(ge=20, le=3600)] = Field(
        default=900, description="Life of a storage token; it is renewed by itself."
    )
    read: list[StoragePath] = Field(
        default_factory=list,
        description="Everybody may read below these paths. Besides, each user has `/user/NAME`. "
        "The one person of the embedded profile may read and write everything.",
        examples=[["/store"]],
    )
    groups: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")], GroupTable] = Field(
        default_factory=dict,
        description="What members of a group may do besides: `[tokens.groups.NAME]` with the "
        "lists `members`, `read`, `write` and `stage`.",
        examples=[{"cms": {"members": ["ada"], "read": ["/store/mc"], "write": ["/group/cms"]}}],
    )
    trusted: list[TrustedIssuer] = Field(
        default_factory=list,
        description="Issuers outside the facility whose tokens its data services accept, too: "
        "`[[tokens.trusted]]` with `issuer`, and `base` if their paths lie below one of ours.",
    )


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class FacilityConfig(Settings):
    """A whole facility: what ``casita.toml`` holds."""

    facility: FacilityTable = Field(default_factory=FacilityTable)
    login: LoginTable = Field(default_factory=LoginTable)
    servers: ServersTable = Field(default_factory=ServersTable)
    gateway: GatewayTable = Field(default_factory=GatewayTable)
    tokens: TokensTable = Field(default_factory=TokensTable)
    backends: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="One table per installed backend, `[backends.<name>]`; `enabled = false` "
        "switches it off.",
    )

    @property
    def multiuser(self) -> bool:
        """Whether several people with their own system accounts use it."""
        return self.facility.profile == "multiuser"
