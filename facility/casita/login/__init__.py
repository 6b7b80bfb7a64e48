"""Tokens for terminals: hub service ``login``.

A terminal shows a short code, its owner approves it in a browser that is logged in to the hub, and
the terminal receives a scoped, expiring hub token (the device flow of RFC 8628).

The hub bounds a new token by what its *owner* may do, not by the token that asks.  A terminal
that could make tokens at the hub (scope ``tokens!user``) could therefore make itself any token.
So terminals make narrower tokens through this service, which grants no scope that the asking
token does not hold.
"""

from __future__ import annotations

from typing import Any

from casita.site import LOGIN_PREFIX, Site

SERVICE = "login"
NOTE = "casita: "
"""Every token made here has a note that starts so; others are not listed and not revoked here."""


def hub_service(site: Site) -> dict[str, Any]:
    """Return the entry of ``c.JupyterHub.services``."""
    return {
        "name": SERVICE,
        "url": f"http://127.0.0.1:{site.ports['login']}",
        "api_token": site.secret("login_token"),
        "oauth_client_id": f"service-{SERVICE}",
        "oauth_redirect_uri": f"{LOGIN_PREFIX}/oauth_callback",
        "oauth_no_confirm": True,
        "display": False,
    }


def hub_role(site: Site) -> dict[str, Any]:
    """Return the role of the service: to make, list and revoke users' tokens."""
    return {"name": "login-service", "services": [SERVICE], "scopes": ["tokens", "read:users:name"]}
