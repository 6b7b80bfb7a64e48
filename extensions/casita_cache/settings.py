"""``[backends.cache]`` of ``casita.toml``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from casita.backend import Settings
from casita.units import Duration, Size

LOCAL = "local"
"""Name of the origin that exports a directory of this machine."""
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]


def _address(url: str) -> str:
    """Return the address of a server: scheme, host and port, without a path."""
    parts = urlsplit(url)
    if parts.scheme not in ("root", "roots", "xroot", "http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no server: write root://host:port or https://host:port")
    if parts.path.strip("/") or parts.query or "@" in parts.netloc:
        raise ValueError(f"{url!r} has more than a host and a port: leave the rest out")
    if not re.fullmatch(r"[A-Za-z0-9.:\[\]_-]+", parts.netloc):
        raise ValueError(f"{url!r} has a host that can't be one")
    try:
        parts.port  # noqa: B018 (raises)
    except ValueError:
        raise ValueError(f"{url!r} has a port that can't be one") from None
    return f"{parts.scheme}://{parts.netloc}"


Address = Annotated[str, AfterValidator(_address)]


class Origin(Settings):
    """A server whose files are cached, with a namespace of its own."""

    url: Address = Field(description="Where the cache reads, `root://host:port`.")
    also: list[Address] = Field(
        default_factory=list,
        description="Other addresses of the same files, e.g. `https://host:port`.",
    )
    size: Size | None = Field(default=None, description="Instead of the cache's `size`.")
    token_file: Path | None = Field(
        default=None, description="A token with which the cache reads there."
    )
    proxy_file: Path | None = Field(
        default=None, description="An X.509 proxy with which the cache reads there."
    )

    sees_tokens: bool = Field(
        default=False,
        description="Let readers come by https, too, where readers need tokens. XRootD passes "
        "those tokens on to the origin, so it must be trusted with them.",
    )

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address under which its files are known."""
        return (self.url, *self.also)


class Local(Settings):
    """An origin of the facility's own: a directory of this machine."""

    directory: Path = Field(description="What it exports, read-only.")
    prefix: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._-]+)*$")] = Field(
        default="", description="Path under which it appears, e.g. `/store`."
    )


class CacheSettings(Settings):
    """XCache: a cache of files in front of remote (and local) XRootD servers."""

    origins: dict[Name, Origin] = Field(
        default_factory=dict, description="`[backends.cache.origins.NAME]`: whose files to cache."
    )
    local: Local | None = Field(
        default=None, description="`[backends.cache.local]`: a directory to serve and cache."
    )
    directory: Path | None = Field(
        default=None,
        description="Where cached files lie, on a fast disk. Default: below the state directory; "
        "as root, `/var/cache/casita-ID`.",
        examples=["/ssd/xcache"],
    )
    size: Size = Field(
        default=100 * 2**30,
        description="Most bytes that the files of one origin take; never more than 95 % "
        "of the disk.",
    )
    low: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.9, description="A purge goes down to this part of `size`."
    )
    block_size: Size = Field(
        default=16 * 2**10,
        description="Whole blocks are fetched: larger ones bring more that nobody asked for, "
        "smaller ones cost the server more.",
    )
    prefetch: Annotated[int, Field(ge=0, le=128)] = Field(
        default=0, description="Blocks fetched ahead of what is asked for."
    )
    memory: Size = Field(
        default=2**30, description="Memory of each origin's cache for blocks; at least 1 GiB."
    )
    tokens: bool | None = Field(
        default=None,
        description="Whether readers need a storage token for the path. Default: in the "
        "multiuser profile.",
        examples=[True],
    )
    host: str = Field(
        default="127.0.0.1",
        description="127.0.0.1: the cache is for this machine only. Otherwise the name or address "
        "under which workers elsewhere reach it.",
    )
    tls_certificate: Path | None = Field(
        default=None,
        description="PEM file; tokens need TLS. Default: the facility's, and on 127.0.0.1 one "
        "that the cache makes for itself.",
        examples=["/etc/casita/cache.pem"],
    )
    tls_key: Path | None = Field(
        default=None, description="PEM file of its key.", examples=["/etc/casita/cache-key.pem"]
    )
    tls_ca: Path | None = Field(
        default=None,
        description="PEM file of the authority that users' programs trust for the cache's "
        "certificate. Default: one that the cache made for itself is trusted.",
        examples=["/etc/casita/ca.pem"],
    )
    program: str = Field(default="xrootd", description="The server's program, or its path.")
    account: str = Field(
        default="xrootd", description="As which user the servers run when the facility is root's."
    )
    parallel: Annotated[int, Field(ge=1, le=64)] = Field(
        default=4, description="Files that are prefetched at the same time."
    )
    revalidate: Duration = Field(
        default=3600,
        description="A file in use is compared with its origin's so often; a copy of what was "
        "replaced there is dropped.",
    )
    user_metrics: bool = Field(
        default=False, description="Let `/metrics`, which everybody can read, name users."
    )
    datasets: dict[str, Any] = Field(
        default_factory=dict,
        description="Datasets in coffea's fileset form: `[backends.cache.datasets.NAME]`.",
    )
    catalogue: Path | None = Field(
        default=None,
        description="File or directory with more datasets in that form (YAML, JSON).",
        examples=["/etc/casita/datasets"],
    )

    @model_validator(mode="after")
    def _consistent(self) -> CacheSettings:
        if LOCAL in self.origins:
            raise ValueError(
                f"origins.{LOCAL}: that is [backends.cache.local]; choose another name"
            )
        seen: dict[str, str] = {}
        for name, origin in self.origins.items():
            for one in origin.addresses:
                if seen.setdefault(one, name) != name:
                    raise ValueError(f"origins.{name}: {one} is origins.{seen[one]}'s already")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together: give both or neither")
        if self.memory < 2**30:
            raise ValueError("memory: XRootD wants at least 1 GiB")
        return self
