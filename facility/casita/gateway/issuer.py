"""The gateway asks the issuer for storage tokens of users whose clusters it runs."""

from __future__ import annotations

from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, web

TIMEOUT = ClientTimeout(total=10)


async def storage_token(url: str, token: str, user: str, audience: str) -> dict[str, Any]:
    """Return the issuer's answer.

    Raises
    ------
    aiohttp.web.HTTPForbidden
        It gives no such token.
    aiohttp.web.HTTPServiceUnavailable
        It does not answer.
    """
    form = {"audience": audience, "requested_subject": user}
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with (
            ClientSession(timeout=TIMEOUT) as http,
            http.post(url, data=form, headers=headers) as answer,
        ):
            content: dict[str, Any] = await answer.json()
            status = answer.status
    except (ClientError, TimeoutError, ValueError):
        raise _unavailable("the token issuer does not answer") from None
    if status >= 500:
        raise _unavailable("the token issuer is in trouble")
    if status != 200:
        raise web.HTTPForbidden(reason=str(content.get("error_description", "refused")))
    return content


def _unavailable(reason: str) -> web.HTTPServiceUnavailable:
    return web.HTTPServiceUnavailable(reason=reason, headers={"Retry-After": "5"})
