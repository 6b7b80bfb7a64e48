"""The facility inside a user's Jupyter server: the panel's header, and what backends build on.

A backend's own part of that server is a module ``<package>.handlers`` that declares one
:class:`casita.jupyter.extension.Extension`; one that fails leaves the others up.  It serves below
``<base_url>casita/``, with handlers from :mod:`casita.jupyter.handlers`.
"""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    # Imported now: the panel's models are wanted where no Jupyter server is installed.
    from casita.jupyter.facility import FacilityExtension

    return [{"module": "casita.jupyter", "app": FacilityExtension}]
