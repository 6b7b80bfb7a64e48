"""What casita adds to the gateway's API: limits, logs and names of clusters, storage tokens."""

from __future__ import annotations

import json
import secrets

from aiohttp import web
from dask_gateway_server.routes import api_handler

from casita.gateway.limits import report
from casita.gateway.options import LABEL

routes = web.RouteTableDef()
OVER = ("STOPPING", "STOPPED", "FAILED")
"""States in which a cluster's credential is good for nothing."""


@routes.get("/api/v1/limits")
@api_handler(user_authenticated=True)  # type: ignore[untyped-decorator]
async def limits(request: web.Request) -> web.Response:
    """Answer what the caller has and may have: clusters, worker cores, worker memory (bytes)."""
    backend = request.app["backend"]
    return web.json_response(report(backend.limits, backend.usage_of(request["user"].name)))


@routes.get("/api/v1/clusters/{cluster_name}/logs")
@api_handler(user_authenticated=True)  # type: ignore[untyped-decorator]
async def logs(request: web.Request) -> web.Response:
    """Answer the last ``?lines=`` lines (at most 5000) of every process of the caller's cluster.

    Raises
    ------
    aiohttp.web.HTTPNotFound
        There is no such cluster, or it is somebody else's.
    """
    backend, name = request.app["backend"], request.match_info["cluster_name"]
    cluster = await backend.get_cluster(name)
    if cluster is None or not request["user"].has_permissions(cluster):
        raise web.HTTPNotFound(reason=f"Cluster {name} not found")
    asked = request.query.get("lines", "200")
    if not asked.isdecimal() or not 1 <= int(asked) <= 5000:
        raise web.HTTPUnprocessableEntity(reason=f"lines must be 1 to 5000, not {asked[:20]!r}")
    found, reason = backend.cluster_logs(cluster, int(asked))
    texts = [{"process": process, "text": text} for process, text in found.items()]
    return web.json_response({"logs": texts, "status": cluster.status.name, "reason": reason})


@routes.patch("/api/v1/clusters/{cluster_name}")
@api_handler(user_authenticated=True)  # type: ignore[untyped-decorator]
async def rename(request: web.Request) -> web.Response:
    """Give the caller's cluster the name ``{"label": ...}``; answers the cluster.

    Raises
    ------
    aiohttp.web.HTTPNotFound
        There is no such cluster, or it is somebody else's.
    aiohttp.web.HTTPUnprocessableEntity
        The body is none, or the name can't be one.
    """
    backend, name = request.app["backend"], request.match_info["cluster_name"]
    cluster = await backend.get_cluster(name)
    if cluster is None or not request["user"].has_permissions(cluster):
        raise web.HTTPNotFound(reason=f"Cluster {name} not found")
    label = _label(await request.text())
    return web.json_response(backend.rename(name, label).to_dict())


def _label(body: str) -> str:
    try:
        label = json.loads(body)["label"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise web.HTTPUnprocessableEntity(reason='send {"label": "a name"}') from None
    try:
        return LABEL.validate(label)
    except (ValueError, TypeError) as error:
        raise web.HTTPUnprocessableEntity(reason=str(error)) from None


@routes.post("/api/v1/clusters/{cluster_name}/bearer")
@api_handler  # type: ignore[untyped-decorator]
async def bearer(request: web.Request) -> web.Response:
    """Give a cluster's scheduler or worker a storage token of its owner: ``{"audience": ...}``.

    Raises
    ------
    aiohttp.web.HTTPUnauthorized
        The request lacks the credential of a cluster that runs.
    aiohttp.web.HTTPUnprocessableEntity
        The body is none.
    aiohttp.web.HTTPForbidden
        The issuer gives the owner no such token.
    aiohttp.web.HTTPServiceUnavailable
        The issuer does not answer.
    """
    backend, name = request.app["backend"], request.match_info["cluster_name"]
    cluster = await backend.get_cluster(name)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    runs = cluster is not None and cluster.status.name not in OVER
    # A header's bytes may be no text: aiohttp keeps them so.
    sent = token.encode(errors="surrogateescape")
    expected = cluster.token.encode() if runs else b""
    if scheme != "token" or not expected or not secrets.compare_digest(sent, expected):
        raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "token"})
    audience = _audience(await request.read())
    return web.json_response(await backend.storage_token(cluster.username, audience))


def _audience(body: bytes) -> str:
    try:
        audience = json.loads(body)["audience"]
        audience.encode()  # a text that can be sent on
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise web.HTTPUnprocessableEntity(reason='send {"audience": "cache"}') from None
    return str(audience)
