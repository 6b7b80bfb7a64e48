"""The FastAPI application of the login service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from prometheus_client import Counter

from casita import __version__
from casita.login import device, pages, scopes, tokens
from casita.login.hub import Hub
from casita.login.store import Store
from casita.serving import equip, serve
from casita.site import LOGIN_PREFIX, Site, open_site


def build(site: Site) -> FastAPI:
    """Return the application."""
    app = FastAPI(
        title="casita login",
        version=__version__,
        openapi_url=f"{LOGIN_PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_life,
    )
    app.state.site = site
    app.state.hub = Hub(site.hub_api, site.secret("login_token"))
    app.state.store = Store(site.state / "hub" / "login.sqlite")
    app.state.known = scopes.known_scopes(site.backends.values())
    registry = equip(app, LOGIN_PREFIX)
    made = Counter("casita_login_tokens", "Tokens made, by the way.", ["way"], registry=registry)
    device.add(app, made)
    tokens.add(app, made)
    pages.add(app)
    _add_about(app)
    return app


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    yield
    await app.state.hub.close()


def _add_about(app: FastAPI) -> None:
    site: Site = app.state.site

    @app.get(f"{LOGIN_PREFIX}/info")
    def info() -> dict[str, Any]:
        """Tell a client how to reach the facility; needs no login."""
        return {
            "name": site.config.facility.name,
            "version": __version__,
            "gateway": site.gateway_url,
            "traffic": site.gateway_traffic,
            "scopes": sorted(app.state.known),
        }

    @app.get(f"{LOGIN_PREFIX}/health")
    def health() -> dict[str, Any]:
        """Alive, ready, version."""
        return {"alive": True, "ready": True, "version": __version__}


def run(state: Path) -> None:
    """Serve the facility in ``state`` until the program is ended."""
    site = open_site(state)
    serve(build(site), site.ports["login"])
