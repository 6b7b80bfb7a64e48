"""``[backends.columns]`` of ``casita.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, Field, field_validator, model_validator

from casita.backend import Settings, Trust
from casita.errors import ConfigError
from casita.units import Duration, Size

Confinement = Literal["auto", "bubblewrap", "none"]
SECRETS = {"secret", "password", "token", "account_key", "sas_token", "connection_string"}
SECRETS |= {"aws_secret_access_key", "aws_session_token"}
"""Options of fsspec that are not for everybody's eyes."""


class Upstream(Settings):
    """A ServiceX elsewhere, which runs what this facility can't."""

    url: str = Field(description="Its address, as in `servicex.yaml`.")
    token_file: Path | None = Field(
        default=None, description="File with a refresh token for it; none: it asks for none."
    )
    codegens: list[str] = Field(
        default_factory=list,
        description="Code generators whose requests go there. Default: all that it has and this "
        "facility has not.",
    )


class ColumnsSettings(Settings):
    """Column delivery: a ServiceX of the facility's own."""

    workers: Annotated[int, Field(ge=0, le=1024)] = Field(
        default=0, description="Files that are read at the same time; 0: one for each CPU."
    )
    executor: Literal["local", "cluster"] = Field(
        default="local",
        description="Who reads: processes on this machine, or workers that users lend, e.g. of "
        "their Dask clusters (`casita_columns.lend`).",
    )
    python: Path | None = Field(
        default=None,
        description="Interpreter that runs users' code. Default: `transform/bin/python` in the "
        "facility's environment, else the facility's own.",
        examples=["/opt/transform/bin/python"],
    )
    sandbox: Confinement = Field(
        default="auto",
        description="`bubblewrap` confines users' code to an empty world and refuses to run it "
        "otherwise; `auto` does without where bubblewrap can't run, and `casita doctor` says so; "
        "`none` never does it.",
    )
    memory: Size = Field(default=4 * 2**30, description="Address space of one process.")
    cpu_time: Duration = Field(default=3600, description="Most CPU time for one file.")
    file_time: Duration = Field(default=900, description="Most time for one file.")
    output: Size = Field(default=10 * 2**30, description="Largest file that is delivered.")
    retries: Annotated[int, Field(ge=0, le=20)] = Field(
        default=2, description="Further attempts at a file that could not be read."
    )
    keep: Duration = Field(
        default=7 * 86400, description="Finished requests and their files are removed after this."
    )
    quota: Size = Field(default=50 * 2**30, description="Most bytes of results a user may have.")
    files: Annotated[int, Field(ge=1)] = Field(
        default=500_000, description="Most files of one dataset."
    )
    store: str = Field(
        default="",
        description="Where results lie: a URL that fsspec knows, e.g. `s3://bucket/casita` (S3, "
        "Ceph RGW). Default: a folder below the state directory.",
    )
    store_options: dict[str, Any] = Field(
        default_factory=dict, description="What fsspec needs for `store`, but for secrets."
    )
    store_file: Path | None = Field(
        default=None,
        description="TOML file with more of `store_options`: the secrets. Only the facility's "
        "account should be able to read it.",
        examples=["/etc/casita/store.toml"],
    )
    database: str = Field(
        default="",
        description="SQLAlchemy URL of a PostgreSQL; its password lies in a file, which "
        "`?passfile=` names. Default: SQLite in the state directory.",
        examples=["postgresql+psycopg://casita@db.example.org/casita?passfile=/etc/casita/pgpass"],
    )
    volume: Path | None = Field(
        default=None,
        description="Where files go of requests whose `result-destination` is `volume`.",
        examples=["/cephfs/columns"],
    )
    finder: str = Field(
        default="rucio", description="Which finder looks up dataset names that name none."
    )
    lookup: Duration = Field(
        default=3600,
        description="So long it is believed what files a name stands for; of local files never.",
    )
    reuse: bool = Field(
        default=True,
        description="Answer a query of the same files that was answered before with those results. "
        "Remote files are taken for the same if they are called the same.",
    )
    finders: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Settings of finders: `[backends.columns.finders.NAME]`."
    )
    datasets: dict[str, Any] = Field(
        default_factory=dict,
        description="Datasets in coffea's fileset form: `[backends.columns.datasets.NAME]`.",
    )
    upstream: Upstream | None = Field(default=None, description="`[backends.columns.upstream]`.")

    @field_validator("database")
    @classmethod
    def _without_password(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            secret = parts.password or "password" in parse_qs(parts.query)
        except ValueError:
            raise ValueError("this is no URL of a database") from None
        if url and parts.scheme.partition("+")[0] not in ("postgresql", "sqlite"):
            raise ValueError("the URL of a database begins with postgresql+psycopg:// or sqlite://")
        if secret:
            raise ValueError(
                "there is a password in it, which others would see: put it into a file of its own "
                "(a line *:*:*:USER:PASSWORD, mode 0600), and add ?passfile=FILE"
            )
        return url

    @field_validator("store_options")
    @classmethod
    def _without_secrets(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name in SECRETS.intersection(_names(options)):
            raise ValueError(
                f"{name} is a secret, which others would see: write it into a TOML file of its "
                "own, and name that by store_file"
            )
        return options

    def whole_store_options(self) -> dict[str, Any]:
        """Return the store's options, with the secrets.

        Raises
        ------
        ConfigError
            ``store_file`` can't be read.
        """
        if self.store_file is None:
            return self.store_options
        try:
            return {**self.store_options, **tomllib.loads(self.store_file.read_text())}
        except OSError as error:
            why = error.strerror
        except ValueError as error:
            why = f"it is no TOML: {error}"
        raise ConfigError(f"backends.columns.store_file: {self.store_file}: {why}")

    @model_validator(mode="after")
    def _consistent(self) -> ColumnsSettings:
        if self.memory < 2**30:
            raise ValueError("memory: reading needs at least 1 GiB of address space")
        if self.volume is not None and not self.volume.is_absolute():
            raise ValueError(f"volume: {self.volume} is not absolute")
        return self


def _names(options: dict[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        yield name
        if isinstance(value, dict):
            yield from _names(value)


class ServiceSettings(BaseModel):
    """What the service is told when it starts."""

    port: int
    url: str
    """Its public address, up to and with its prefix."""
    profile: str
    directory: Path
    """For its own files, and for results."""
    issuer: str
    """Token endpoint of the facility's issuer."""
    token_file: Path
    """Its own hub token."""
    key_file: Path
    """Secret from which those of requests are derived."""
    trust: Trust
    columns: ColumnsSettings
    python: Path
    environment: dict[str, str]
    """What programs of users find."""

    @property
    def reads_for(self) -> str:
        """Names of the services whose data need a token, separated by spaces."""
        names = self.environment.get("CASITA_TOKEN_FOR", "").split()
        return " ".join(one for one in names if one != "columns")
