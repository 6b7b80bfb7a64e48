"""Storage tokens: hub service ``tokens``, the facility's issuer.

It trades a hub token for a short-lived, signed token for *one* data service, which says what paths
its user may read and write there (WLCG Common JWT Profiles 1.0).  The wire form is token exchange,
RFC 8693.  Services verify such tokens by themselves, with the published keys.
"""

from __future__ import annotations

from typing import Any

from casita.site import Site

SERVICE = "tokens"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
JWT = "urn:ietf:params:oauth:token-type:jwt"


def hub_service(site: Site) -> dict[str, Any]:
    """Return the entry of ``c.JupyterHub.services``."""
    return {
        "name": SERVICE,
        "url": f"http://127.0.0.1:{site.ports['tokens']}",
        "api_token": site.secret("tokens_token"),
        "display": False,
    }


def hub_role() -> dict[str, Any]:
    """Return the role of the service: to see which groups a user is in."""
    scopes = ["read:users:name", "read:users:groups"]
    return {"name": "tokens-service", "services": [SERVICE], "scopes": scopes}
