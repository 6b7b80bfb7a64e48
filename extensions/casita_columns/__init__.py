"""Column delivery: a ServiceX that comes with the facility.

A physicist names a dataset, columns and a selection, and gets small Parquet or ROOT files, made
near the data.  The official client works as it is::

    from servicex import deliver

and :func:`deliver` of this package takes the same specifications, tells at once what is ready, and
never returns fewer files than were asked for.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from casita.backend import Backend, Finding, Place, Process
from casita_columns.settings import ColumnsSettings
from casita_columns.workers.sandbox import interpreter

__all__ = ["backend", "deliver", "lend"]
PREFIX = "/services/columns"
SERVICE = "service"


def _processes(config: ColumnsSettings, place: Place) -> list[Process]:
    port = place.ports[SERVICE]
    given = {
        "port": port,
        "url": f"{place.url}{PREFIX}",
        "profile": place.profile,
        "directory": str(place.directory),
        "issuer": place.issuer,
        "token_file": str(place.secret_file("token")),
        "key_file": str(place.secret_file("key")),
        "trust": asdict(place.trust),
        "columns": config.model_dump(mode="json"),
        "python": str(interpreter(config.python, Path(sys.prefix))),
        "environment": dict(place.user_environment()),
    }
    service = Process(
        name="columns",
        command=(place.python, "-m", "casita_columns.service"),
        environment={"CASITA_COLUMNS_SERVICE": json.dumps(given)},
        port=port,
        health=f"http://127.0.0.1:{port}{PREFIX}/health",
        priority=60,
    )
    return [service]


def _hub_services(config: ColumnsSettings, place: Place) -> list[dict[str, Any]]:
    token = place.secret_file("token").read_text().strip()
    url = f"http://127.0.0.1:{place.ports[SERVICE]}"
    return [{"name": "columns", "url": url, "api_token": token, "display": False}]


def _user_environment(config: ColumnsSettings, place: Place) -> dict[str, str]:
    # The official client takes the token in BEARER_TOKEN_FILE before any other.
    return {"CASITA_TOKEN_FOR": "columns"}


def _check(config: ColumnsSettings, place: Place) -> list[Finding]:
    from casita_columns import doctor

    return doctor.check(config, place)


backend = Backend(
    name="columns",
    title="Column delivery",
    config=ColumnsSettings,
    commands="casita_columns.commands:app",
    ports=(SERVICE,),
    processes=_processes,
    hub_services=_hub_services,
    user_environment=_user_environment,
    scopes={"columns": "access:services!service=columns"},
    login="casita_columns.servicex_yaml:of_login",
    for_users=True,
    check=_check,
)


def __getattr__(name: str) -> Any:
    # The facility imports this package for its declaration only.
    if name in __all__:
        from casita_columns import kernel

        return getattr(kernel, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
