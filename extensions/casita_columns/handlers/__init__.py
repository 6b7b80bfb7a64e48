"""Column delivery in a user's Jupyter server: what the Lab panel talks to."""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from casita_columns.handlers.extension import ColumnsExtension

    return [{"module": "casita_columns.handlers", "app": ColumnsExtension}]
