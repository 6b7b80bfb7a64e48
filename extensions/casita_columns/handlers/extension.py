"""The server extension of column delivery."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from casita.client import connection
from casita.errors import CasitaError
from casita.jupyter.extension import Extension, Route
from casita.jupyter.handlers import Overview
from casita.jupyter.watch import Watch
from casita_columns import servicex_yaml
from casita_columns.handlers import routes
from casita_columns.handlers.watch import ColumnsWatch

logger = logging.getLogger(__name__)
REQUEST = "([A-Za-z0-9-]+)"
DATASET = "([0-9]+)"


class ColumnsExtension(Extension):
    """Serves the Columns section of the Facility panel."""

    name = "casita_columns"
    backend = "columns"

    def routes(self) -> list[Route]:
        """Return everything below ``columns``."""
        self.watch = ColumnsWatch(self.session)
        more = {"watch": self.watch}
        return [
            ("columns", Overview, more),
            ("columns/requests", routes.Requests, more),
            (f"columns/requests/{REQUEST}", routes.Request, more),
            (f"columns/requests/{REQUEST}/cancel", routes.Cancel, more),
            (f"columns/requests/{REQUEST}/again", routes.Again, more),
            ("columns/datasets", routes.Datasets, more),
            (f"columns/datasets/{DATASET}", routes.Dataset, more),
            ("columns/look", routes.LookAt, more),
        ]

    def watches(self) -> dict[str, Watch[Any]]:
        """Return the overview's."""
        return {"columns": self.watch}

    async def work(self) -> None:
        """Tell the official client of the facility; then look while somebody follows."""
        if is_offered(os.environ):
            await asyncio.to_thread(introduce, Path.home())
        await self.watch.run()


def is_offered(environment: Mapping[str, str]) -> bool:
    """Whether a hub started this server, of a facility that delivers columns."""
    if not environment.get("JUPYTERHUB_API_TOKEN"):
        return False
    listed = json.loads(environment.get("CASITA_BACKENDS", "[]"))
    return any(one["name"] == "columns" and one["state"] == "on" for one in listed)


def introduce(home: Path) -> None:
    """Write the user's ``servicex.yaml``; a server starts without it as well."""
    try:
        found = connection()
        if kept := servicex_yaml.write(home, found.url, found.token):
            logger.info("%s", kept)
    except CasitaError as error:
        logger.warning("no servicex.yaml: %s", error)
    except Exception:
        logger.exception("no servicex.yaml")
