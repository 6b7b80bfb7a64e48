"""What the hub's pages show about the facility: its name and what it offers.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from casita.backend import Backend
from casita.site import GATEWAY_PREFIX, LOGIN_PREFIX, Site

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
LOGO = HERE / "static" / "logo.svg"


@dataclass(frozen=True)
class Offer:
    """One line of the front page's list."""

    title: str
    text: str = ""
    """One sentence for the person who reads it."""
    health: str = ""
    """Path that answers 200 while it runs; the browser asks. Empty: nothing of its own runs."""


GATEWAY = Offer(
    "Dask Gateway",
    "Starts Dask clusters from notebooks and terminals.",
    f"{GATEWAY_PREFIX}/health",
)
LOGIN = Offer(
    "Terminal login",
    "Connects a terminal or a batch job: casita login.",
    f"{LOGIN_PREFIX}/health",
)


def template_vars(site: Site) -> dict[str, Any]:
    """Return ``c.JupyterHub.template_vars``."""
    return {
        "facility_name": site.config.facility.name,
        "facility_offers": [
            GATEWAY,
            LOGIN,
            *(_offer(site, backend) for backend in site.backends.values()),
        ],
    }


def _offer(site: Site, backend: Backend) -> Offer:
    services = backend.hub_services(site.settings(backend), site.place(backend))
    served = [f"/services/{entry['name']}/health" for entry in services if entry.get("url")]
    return Offer(backend.title, health=served[0] if served else "")
