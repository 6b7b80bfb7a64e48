"""``casita.toml``: one validated model of a facility.

:func:`load` is the door; :class:`~casita.config.model.FacilityConfig` says what there is to set.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from casita.backend import Backend, Settings
from casita.config.model import FacilityConfig
from casita.config.source import explain, read_toml
from casita.errors import ConfigError

__all__ = ["FacilityConfig", "backend_settings", "enabled_backends", "load"]


def load(path: Path | None, backends: Mapping[str, Backend]) -> FacilityConfig:
    """Read and validate ``casita.toml``; without a path, everything is at its default.

    Parameters
    ----------
    path
        The file, or None for the defaults.
    backends
        The installed backends, by name; they own ``[backends.<name>]``.

    Raises
    ------
    ConfigError
        One sentence with file, line, key and the allowed values.
    """
    if path is None:
        return FacilityConfig()
    document, text = read_toml(path)
    try:
        config = FacilityConfig.model_validate(document)
    except ValidationError as error:
        raise explain(error, FacilityConfig, path, text) from None
    for name, table in config.backends.items():
        if name not in backends:
            raise ConfigError(
                f"{path}: backends.{name}: no such backend is installed",
                hint=f"installed: {', '.join(sorted(backends)) or 'none'}",
            )
        _check_backend(backends[name], table, path, text)
    return config


def _check_backend(backend: Backend, values: dict[str, Any], path: Path, text: str) -> None:
    try:
        _settings(backend, values)
    except ValidationError as error:
        table = ("backends", backend.name)
        raise explain(error, backend.config, path, text, table) from None


def _settings(backend: Backend, table: Mapping[str, Any]) -> Settings:
    own = {key: value for key, value in table.items() if key != "enabled"}
    return backend.config.model_validate(own)


def backend_settings(config: FacilityConfig, backend: Backend) -> Settings:
    """Return the validated ``[backends.<name>]`` of one backend."""
    return _settings(backend, config.backends.get(backend.name, {}))


def enabled_backends(config: FacilityConfig, backends: Mapping[str, Backend]) -> dict[str, Backend]:
    """Return the backends that ``casita.toml`` doesn't switch off, by name."""
    return {
        name: backend
        for name, backend in backends.items()
        if config.backends.get(name, {}).get("enabled", True)
    }
