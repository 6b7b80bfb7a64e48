"""Who calls the gateway: the owner of a hub token that may use it."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from dask_gateway_server.auth import JupyterHubAuthenticator, unauthorized

SCHEMES = ("jupyterhub", "bearer", "token")


class HubAuthenticator(JupyterHubAuthenticator):  # type: ignore[misc]
    """Accepts hub tokens under any usual scheme; a token that the hub refuses gets 401.

    Upstream knows only the scheme ``jupyterhub`` and answers 500 to revoked and expired tokens.
    """

    def get_token(self, request: web.Request) -> str | None:
        """Return the token of the ``Authorization`` header, or None."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return (token.strip() or None) if scheme.lower() in SCHEMES else None

    async def authenticate(self, request: web.Request) -> Any:
        """Return the user of the request's token.

        Raises
        ------
        aiohttp.web.HTTPUnauthorized
            No token, or one that the hub refuses or that lacks the gateway's scope.
        """
        try:
            return await super().authenticate(request)
        except web.HTTPInternalServerError as error:
            if "Permission failure" in (error.reason or ""):
                raise unauthorized("jupyterhub") from None
            raise
