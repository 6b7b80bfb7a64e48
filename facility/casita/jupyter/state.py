"""What a Jupyter server knows of its facility without asking anybody."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

from casita.backend import GROUP
from casita.jupyter.models import BackendState

RESTART = "restart your server (File, Hub Control Panel); the server's log says more"


def idle_timeout(environment: Mapping[str, str]) -> int | None:
    """Return after how many seconds without use this server is stopped; None: never."""
    text = environment.get("CASITA_IDLE_TIMEOUT", "")
    return int(text) if text.isdecimal() and int(text) else None


def idle_end(last_activity: datetime, timeout: int) -> datetime:
    """Return when a server is stopped that is not used any more.

    Whole minutes (of long timeouts), so that a server in use does not tell of each keystroke; and
    rather too early than too late.
    """
    step = max(1, min(60, timeout // 60))
    ends = int(last_activity.timestamp()) + timeout
    return datetime.fromtimestamp(ends - ends % step, tz=UTC)


def backends(
    environment: Mapping[str, str], loaded: Collection[str], enabled: Mapping[str, bool]
) -> list[BackendState]:
    """Return the facility's backends and whether this server has its part of each.

    Parameters
    ----------
    environment
        Of this server; ``CASITA_BACKENDS`` is the facility's list. Without it, outside a facility's
        own servers, all that are installed count.
    loaded
        Names of the backends whose server extension was loaded.
    enabled
        Server extensions (module names) that Jupyter Server could import, and whether they are
        enabled.
    """
    modules = {entry.name: f"{entry.module}.handlers" for entry in entry_points(group=GROUP)}
    listed: list[dict[str, Any]] = json.loads(environment.get("CASITA_BACKENDS", "null")) or [
        {"name": entry.name, "title": entry.load().title, "state": "on"}
        for entry in entry_points(group=GROUP)
    ]
    return [_state(one, modules, loaded, enabled) for one in listed]


def _state(
    one: Mapping[str, Any],
    modules: Mapping[str, str],
    loaded: Collection[str],
    enabled: Mapping[str, bool],
) -> BackendState:
    known = {"name": one["name"], "title": one["title"]}
    if one["state"] == "off":
        return BackendState(
            **known,
            state="off",
            reason="The operator of this facility has switched it off.",
            remedy=f"Ask for [backends.{one['name']}] in the facility's casita.toml.",
        )
    reason, remedy = _trouble(one["name"], modules, loaded, enabled)
    return BackendState(**known, state="broken" if reason else "on", reason=reason, remedy=remedy)


def _trouble(
    name: str,
    modules: Mapping[str, str],
    loaded: Collection[str],
    enabled: Mapping[str, bool],
) -> tuple[str, str]:
    """Return (reason, remedy) where this server lacks its part of a backend, else ("", "")."""
    if name in loaded:
        return "", ""
    module = modules.get(name)
    if module is None:
        return "Its package is not installed beside this server.", "Ask the operator to install it."
    if find_spec(module) is None:
        return "", ""  # it has no part in Jupyter servers
    if module not in enabled:
        return f"Jupyter Server did not find or could not import {module}.", RESTART
    if not enabled[module]:
        return (
            f"The server extension {module} is disabled.",
            f"jupyter server extension enable {module}, then restart your server",
        )
    return f"The server extension {module} failed to load.", RESTART


def activity(moment: datetime, server: str) -> dict[str, Any]:
    """Return what tells the hub that a server was used.

    Parameters
    ----------
    server
        Name of a user's further server; "" is the first.
    """
    text = moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return {"servers": {server: {"last_activity": text}}, "last_activity": text}
