"""The FastAPI application of the token issuer."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Form, Header, Response
from fastapi.responses import JSONResponse
from prometheus_client import Counter

from casita import __version__
from casita.auth import bearer
from casita.errors import CasitaError, DeniedError, LoginError
from casita.serving import Refused, equip, serve, status_of
from casita.site import TOKENS_PREFIX, Site, open_site
from casita.tokens import ACCESS_TOKEN, EXCHANGE
from casita.tokens.office import Issued, Office
from casita.tokens.policy import ScopeError

logger = logging.getLogger("casita.tokens")
KEYS_AGE = 600
"""Seconds for which services may keep the published keys."""


def build(site: Site) -> FastAPI:
    """Return the application."""
    office = Office(site)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        yield
        await office.http.aclose()

    app = FastAPI(
        title="casita tokens",
        version=__version__,
        openapi_url=f"{TOKENS_PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=life,
    )
    registry = equip(app, TOKENS_PREFIX)
    made = Counter(
        "casita_storage_tokens", "Storage tokens by outcome.", ["outcome"], registry=registry
    )
    _add_exchange(app, office, made)
    _add_revocation(app, office)
    _add_keys(app, office)
    return app


def _add_exchange(app: FastAPI, office: Office, made: Counter) -> None:
    @app.post(f"{TOKENS_PREFIX}/token", response_model=Issued)
    async def exchange(
        audience: Annotated[str, Form()] = "",
        scope: Annotated[str, Form()] = "",
        grant_type: Annotated[str, Form()] = EXCHANGE,
        subject_token: Annotated[str, Form()] = "",
        subject_token_type: Annotated[str, Form()] = ACCESS_TOKEN,
        requested_subject: Annotated[str, Form()] = "",
        authorization: Annotated[str, Header()] = "",
    ) -> Any:
        """Trade a hub token, in the form or the header, for a storage token (RFC 8693)."""
        try:
            if grant_type != EXCHANGE or subject_token_type != ACCESS_TOKEN:
                raise Refused(400, "unsupported_grant_type", f"only {EXCHANGE} of an access token")
            token = subject_token or bearer(authorization)
            issued = await office.issue(token, audience, scope, requested_subject)
        except CasitaError as error:
            made.labels("refused").inc()
            return _refusal(error)
        made.labels("made").inc()
        return JSONResponse(issued.model_dump(), headers={"Cache-Control": "no-store"})


def _refusal(error: CasitaError) -> Response:
    """Answer in OAuth's form (RFC 6749, section 5.2)."""
    status, code = status_of(error)
    if isinstance(error, ScopeError):
        status, code = 400, "invalid_scope"
    elif isinstance(error, DeniedError):
        status, code = 403, "access_denied"
    elif isinstance(error, LoginError):
        code = "invalid_client"
    logger.info("refused", extra={"fields": {"code": code}})
    headers = {"Cache-Control": "no-store"}
    headers |= {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "5"}}.get(status, {})
    body = {"error": code, "error_description": error.message, "hint": error.hint}
    return JSONResponse(body, status, headers)


def _add_revocation(app: FastAPI, office: Office) -> None:
    @app.post(f"{TOKENS_PREFIX}/revoke")
    def revoke(token: Annotated[str, Form()]) -> dict[str, Any]:
        """Take a token back; who has it may do that (RFC 7009)."""
        office.take_back(token)
        return {}

    @app.get(f"{TOKENS_PREFIX}/revoked")
    def revoked() -> dict[str, Any]:
        """List the tokens (``jti``) that were taken back and have not expired."""
        return {"revoked": office.revoked.identifiers()}


def _add_keys(app: FastAPI, office: Office) -> None:
    issuer, known = office.site.issuer, {"Cache-Control": f"public, max-age={KEYS_AGE}"}

    @app.get(f"{TOKENS_PREFIX}/jwks")
    def jwks() -> JSONResponse:
        """Publish the keys (RFC 7517)."""
        return JSONResponse(office.keys.public(), headers=known)

    @app.get(f"{TOKENS_PREFIX}/.well-known/openid-configuration")
    @app.get(f"{TOKENS_PREFIX}/.well-known/oauth-authorization-server")
    def metadata() -> dict[str, Any]:
        """Describe the issuer (RFC 8414)."""
        return {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/jwks",
            "token_endpoint": f"{issuer}/token",
            "revocation_endpoint": f"{issuer}/revoke",
            "grant_types_supported": [EXCHANGE],
            "response_types_supported": ["none"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "token_endpoint_auth_methods_supported": ["none"],
        }

    @app.post(f"{TOKENS_PREFIX}/keys", include_in_schema=False)
    def rotate(
        authorization: Annotated[str, Header()] = "", now: Annotated[bool, Form()] = False
    ) -> dict[str, str]:
        """Rotate the keys, for the owner of the state directory."""
        secret = office.site.secret("operator")
        if not secrets.compare_digest(bearer(authorization).encode(), secret.encode()):
            raise Refused(401, "unauthorized", "this is not the operator's secret")
        kid = office.keys.rotate(at_once=now)
        office.audit.note("keys rotated", kid=kid, now=now)
        return {"kid": kid}

    @app.get(f"{TOKENS_PREFIX}/health")
    def health() -> dict[str, Any]:
        """Alive, ready, version."""
        return {"alive": True, "ready": True, "version": __version__}


def run(state: Path) -> None:
    """Serve the facility in ``state`` until the program is ended."""
    site = open_site(state)
    serve(build(site), site.ports["tokens"])
