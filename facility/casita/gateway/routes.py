"""What casita adds to the gateway's API: a user's limits, and the logs of their clusters."""

from __future__ import annotations

from aiohttp import web
from dask_gateway_server.routes import api_handler

from casita.gateway.limits import report

routes = web.RouteTableDef()


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
