"""Clusters over Dask Gateway's REST API, for terminals and programs.

Wire format: dask_gateway_server/routes.py of dask-gateway 2026.3, plus ``/limits`` and ``/logs``
of casita's gateway.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from casita.client import checked
from casita.errors import CasitaError, ServiceError
from casita_clusters import engine
from casita_clusters.models import Cluster, ClusterLogs, Limits, Option


class Clusters:
    """The clusters of the user whose token a session holds.

    Parameters
    ----------
    http
        Session with the facility.
    gateway
        Public URL of the gateway.
    """

    def __init__(self, http: httpx.Client, gateway: str) -> None:
        self._http = http
        self._gateway = gateway
        self._api = f"{urlsplit(gateway).path}/api/v1"

    def list(self) -> list[Cluster]:
        """Return the clusters that start or run, oldest first."""
        answer = checked(self._http.get(f"{self._api}/clusters/"))
        found = [self._cluster(model) for model in answer.values()]
        return sorted((one for one in found if one.active), key=lambda one: one.started)

    def get(self, name: str, *, wait: bool = False) -> Cluster:
        """Return one cluster; with ``wait`` the answer may take 20 s while it starts.

        Raises
        ------
        CasitaError
            There is none, or it is somebody else's.
        """
        query = {"wait": "1"} if wait else {}
        return self._cluster(self._of(name, "GET", params=query))

    def _of(self, name: str, method: str, what: str = "", **more: Any) -> Any:
        """Ask about one cluster."""
        path = f"{self._api}/clusters/{quote(name, safe='')}{what}"
        answer = self._http.request(method, path, **more)
        if answer.status_code == 404:
            raise CasitaError(
                f"you have no cluster {name!r}", hint="`casita clusters list` shows yours"
            )
        return checked(answer)

    def options(self) -> Sequence[Option]:
        """Return what can be chosen for a new cluster."""
        answer = checked(self._http.get(f"{self._api}/options"))
        return [_option(spec) for spec in answer["cluster_options"]]

    def limits(self) -> Limits:
        """Return what the user has and may have."""
        return Limits.model_validate(checked(self._http.get(f"{self._api}/limits")))

    def create(self, options: Mapping[str, Any] | None = None) -> str:
        """Ask for a cluster and return its name.

        Raises
        ------
        ServiceError
            Over a limit, or a wrong option; the gateway's sentence says which.
        """
        body = {"cluster_options": dict(options or {})}
        return str(checked(self._http.post(f"{self._api}/clusters/", json=body))["name"])

    def wait(
        self,
        name: str,
        workers: int = 0,
        patience: float = 120,
        tick: Callable[[Cluster], None] = lambda cluster: None,
    ) -> Cluster:
        """Return the cluster once it runs with that many workers.

        Raises
        ------
        ServiceError
            It failed; the message holds reason and log. Or it took longer than ``patience`` s.
        """
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            cluster = self.get(name, wait=True)
            tick(cluster)
            if cluster.status not in ("pending", "running"):
                raise self._failure(name)
            if cluster.status == "running" and (not workers or (cluster.workers or 0) >= workers):
                return cluster
            time.sleep(0.3)
        missing = f"get {workers} workers" if workers else "start"
        raise ServiceError(
            f"cluster {name} did not {missing} within {patience:.0f} s",
            hint=f"`casita clusters logs {name}` may say why",
        )

    def _failure(self, name: str) -> ServiceError:
        logs = self.logs(name)
        # The gateway answers STOPPING until the last process has gone.
        return ServiceError(engine.failure(name, logs), hint=engine.hint(logs))

    def scale(self, name: str, workers: int) -> str:
        """Set the number of workers; returns the gateway's remark, or ""."""
        return self._change(name, "scale", {"count": workers})

    def adapt(self, name: str, minimum: int, maximum: int, *, active: bool = True) -> str:
        """Let the number of workers follow the load; ``active=False`` ends that."""
        body = {"minimum": minimum, "maximum": maximum, "active": active}
        return self._change(name, "adapt", body)

    def _change(self, name: str, what: str, body: dict[str, Any]) -> str:
        answer = self._of(name, "POST", f"/{what}", json=body)
        return str(answer.get("msg") or "")

    def stop(self, name: str) -> None:
        """Stop a cluster; nothing happens if it has stopped already."""
        self._of(name, "DELETE")

    def abandon(self, name: str) -> None:
        """Stop a cluster that is of no use any more, if anybody listens."""
        with contextlib.suppress(CasitaError):
            self.stop(name)

    def logs(self, name: str, lines: int = 200) -> ClusterLogs:
        """Return the end of every process's log, also of a cluster that failed."""
        return ClusterLogs.model_validate(self._of(name, "GET", "/logs", params={"lines": lines}))

    def _cluster(self, model: Mapping[str, Any]) -> Cluster:
        name, status = model["name"], model["status"].lower()
        options = model.get("options") or {}
        workers = self._workers(name) if status == "running" else None
        cores, memory = engine.sizes(options, workers)
        route = model.get("dashboard_route")
        return Cluster(
            name=name,
            status=status,
            workers=workers,
            cores=cores,
            memory=memory,
            dashboard=f"{self._gateway}{route}" if route else None,
            started=datetime.fromtimestamp(model["start_time"] / 1000, tz=UTC),
            options=options,
        )

    def _workers(self, name: str) -> int | None:
        """Ask the scheduler itself, through the dashboard's guarded route."""
        path = f"{urlsplit(self._gateway).path}/clusters/{name}/json/counts.json"
        try:
            answer = self._http.get(path, timeout=3)
            return int(answer.json()["workers"]) if answer.is_success else None
        except (CasitaError, httpx.HTTPError, ValueError, KeyError):
            return None


def _option(spec: Mapping[str, Any]) -> Option:
    form = spec["spec"]
    return Option(
        field=spec["field"],
        label=spec["label"],
        default=spec["default"],
        type=form["type"],
        min=form.get("min"),
        max=form.get("max"),
        choices=form.get("options"),
    )
