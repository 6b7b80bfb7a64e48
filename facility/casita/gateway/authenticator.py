"""Who calls the gateway: the owner of a hub token that may use it."""

from __future__ import annotations

from typing import Any

from aiohttp import ClientError, web
from dask_gateway_server.auth import JupyterHubAuthenticator

from casita.auth import could_be_token

SCHEMES = ("jupyterhub", "bearer", "token")
REFUSED = "the hub token is missing, unknown, revoked, expired, or not for Dask clusters"


class HubAuthenticator(JupyterHubAuthenticator):  # type: ignore[misc]
    """Accepts hub tokens under any usual scheme; a token that the hub refuses gets 401.

    Upstream knows only the scheme ``jupyterhub`` and answers 500 to revoked and expired tokens.
    """

    def get_token(self, request: web.Request) -> str | None:
        """Return the token of the ``Authorization`` header, or None."""
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        token = text.strip()
        return token if scheme.lower() in SCHEMES and could_be_token(token) else None

    async def authenticate(self, request: web.Request) -> Any:
        """Return the user of the request's token.

        Raises
        ------
        aiohttp.web.HTTPUnauthorized
            No token, or one that the hub refuses or that lacks the gateway's scope.
        aiohttp.web.HTTPServiceUnavailable
            The hub does not answer.
        """
        try:
            return await super().authenticate(request)
        except web.HTTPUnauthorized:
            raise _unauthorized() from None
        except web.HTTPInternalServerError as error:
            if "Permission failure" in (error.reason or ""):
                raise _unauthorized() from None
            raise
        except (ClientError, TimeoutError, web.HTTPBadGateway):
            raise web.HTTPServiceUnavailable(
                reason="the hub does not answer: try again in a moment",
                headers={"Retry-After": "5"},
            ) from None


def _unauthorized() -> web.HTTPUnauthorized:
    return web.HTTPUnauthorized(reason=REFUSED, headers={"WWW-Authenticate": "jupyterhub"})
