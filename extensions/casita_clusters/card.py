"""A cluster's card in a notebook: what it does at the moment, and the handles to change it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets as widgets

from casita.client import Connection
from casita.errors import CasitaError, MissingError
from casita_clusters import engine
from casita_clusters.client import Clusters
from casita_clusters.models import Cluster, Limits

PERIOD = 2.0
"""Seconds between two looks."""
PATIENCE = 5.0
"""Seconds that a click may hold the kernel up."""
STOP = "Stop cluster"
MUTED = "color: var(--jp-ui-font-color2)"
ALERT = "border-left: 3px solid var(--jp-warn-color1, #b45309); padding-left: 8px"


_followed: dict[str, Card] = {}
"""The card of each cluster; one is enough, however often a cell is run."""


class Card:
    """Shows one cluster until the client is closed or the cluster has gone.

    Parameters
    ----------
    client
        The ``distributed.Client`` whose life it follows.
    connection
        The facility.
    name
        Of the cluster.
    warning
        What to say of the environment, or "".
    """

    def __init__(self, client: Any, connection: Connection, name: str, warning: str = "") -> None:
        self._client = client
        self._connection = connection
        self._name = name
        self._ended = threading.Event()
        self._state = widgets.HTML()
        self._said = widgets.HTML()
        self._workers = widgets.BoundedIntText(
            description="Workers", min=0, max=1000, layout={"width": "170px"}
        )
        self._range = widgets.IntRangeSlider(
            description="Between", min=0, max=8, value=(0, 2), layout={"width": "290px"}
        )
        self._scale = _button("Scale", "Set the number of workers", self._on_scale)
        self._adapt = _button("Adapt", "Let the number of workers follow the load", self._on_adapt)
        self._fix = _button("Stop adapting", "Keep the workers that there are", self._on_fix)
        self._stop = _button(STOP, "Stop this cluster for good", self._on_stop)
        self._handles = widgets.VBox(
            [
                widgets.HBox([self._workers, self._scale]),
                widgets.HBox([self._range, self._adapt, self._fix]),
                widgets.HBox([self._stop]),
            ]
        )
        told = widgets.HTML(f'<div style="{ALERT}">{escape(warning)}</div>' if warning else "")
        self.box = widgets.VBox([self._state, told, self._handles, self._said])
        self._set_bounds()
        self._look()

    # ---- looking

    def follow(self) -> None:
        """Keep the card up to date, in a thread: cells compute meanwhile."""
        if earlier := _followed.get(self._name):
            earlier._end("A newer card shows this cluster.")
        _followed[self._name] = self
        threading.Thread(target=self._follow, name=f"card-{self._name}", daemon=True).start()

    def _follow(self) -> None:
        while not self._ended.wait(PERIOD):
            if self._client.status in ("closed", "closing"):
                self._end("This client is closed; the cluster goes on.")
            else:
                self._look()

    def _look(self) -> None:
        try:
            with self._clusters() as clusters:
                cluster = clusters.get(self._name)
        except MissingError:
            self._end("This cluster has gone.")
        except CasitaError as error:
            self._state.value = f'<span style="{MUTED}">{escape(error.message)}</span>'
        else:
            if cluster.active:
                self._show(cluster)
            else:
                self._end(
                    f"This cluster has {'failed' if cluster.status == 'failed' else 'stopped'}."
                )

    def _show(self, cluster: Cluster) -> None:
        self._state.value = summary(cluster, dashboard(cluster))
        self._fix.disabled = cluster.adaptive is None
        self._adapt.description = "Adapt" if cluster.adaptive is None else "Change bounds"

    def _end(self, sentence: str) -> None:
        self._ended.set()
        if _followed.get(self._name) is self:
            del _followed[self._name]
        self._state.value = f"<b>{escape(sentence)}</b>"
        self._handles.layout.display = "none"

    def _set_bounds(self) -> None:
        try:
            with self._clusters() as clusters:
                cluster, limits = clusters.get(self._name), clusters.limits()
        except CasitaError:
            return  # the gateway refuses what is too much, in a sentence
        most = most_workers(cluster, limits)
        self._workers.max = self._range.max = most
        self._workers.value = min(most, cluster.wanted or 0)
        if cluster.adaptive:
            upper = most if cluster.adaptive.maximum is None else cluster.adaptive.maximum
            self._range.value = (cluster.adaptive.minimum, upper)

    # ---- changing

    def _clusters(self) -> _Session:
        return _Session(self._connection)

    def _do(self, what: Callable[[Clusters], str]) -> None:
        """Do one thing to the cluster and say how it went."""
        self._stop.description, self._stop.button_style = STOP, ""
        try:
            with self._clusters() as clusters:
                said = what(clusters)
        except CasitaError as error:
            said = f"{error.message}{f' ({error.hint})' if error.hint else ''}"
        self._said.value = f'<span style="{MUTED}">{escape(said)}</span>'
        self._look()

    def _on_scale(self) -> None:
        self._do(lambda clusters: clusters.scale(self._name, self._workers.value))

    def _on_adapt(self) -> None:
        lower, upper = self._range.value
        self._do(lambda clusters: clusters.adapt(self._name, lower, upper))

    def _on_fix(self) -> None:
        self._do(lambda clusters: clusters.scale(self._name, clusters.get(self._name).workers or 0))

    def _on_stop(self) -> None:
        if self._stop.description == STOP:
            self._stop.description = "Really stop?"
            self._stop.button_style = "danger"
            return

        def stop(clusters: Clusters) -> str:
            clusters.stop(self._name)
            return ""

        self._do(stop)


class _Session:
    """A short session of its own, so that a click never waits for a look."""

    def __init__(self, connection: Connection) -> None:
        self._http = connection.http()
        self._http.timeout = PATIENCE
        self._gateway = connection.gateway

    def __enter__(self) -> Clusters:
        return Clusters(self._http, self._gateway)

    def __exit__(self, *error: object) -> None:
        self._http.close()


def most_workers(cluster: Cluster, limits: Limits) -> int:
    """Return how many workers a cluster may have, beside the user's others."""
    cores, memory = engine.sizes(cluster.options, 1)
    own_cores, own_memory = engine.sizes(cluster.options, cluster.wanted or 0)
    left = (
        (limits.cores.limit - limits.cores.used + (own_cores or 0)) // (cores or 1),
        (limits.memory.limit - limits.memory.used + (own_memory or 0)) // (memory or 1),
    )
    return max(1, min(left))


def dashboard(cluster: Cluster) -> str:
    """Return where a browser finds the dashboard: at the user's own server, if there is one."""
    server = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "")
    if server and "CASITA_NAME" in os.environ:
        return f"{server}casita/clusters/{cluster.name}/dashboard/status"
    return cluster.dashboard or ""


def summary(cluster: Cluster, link: str) -> str:
    """Return the card's text as HTML."""
    title = escape(cluster.label or f"Cluster {cluster.name[:8]}")
    facts: list[str] = [cluster.status]
    if cluster.workers is not None:
        facts.append(_workers(cluster))
    if cluster.cores is not None:
        facts.append(f"{cluster.cores} {'core' if cluster.cores == 1 else 'cores'}")
    if cluster.memory is not None:
        used = "" if cluster.memory_used is None else f"{cluster.memory_used / 2**30:.1f} of "
        facts.append(f"{used}{cluster.memory / 2**30:.1f} GiB")
    if cluster.busy and cluster.tasks:
        facts.append(f"tasks: {cluster.tasks.processing} run, {cluster.tasks.waiting} wait")
    if cluster.tasks and cluster.tasks.erred:
        facts.append(f"<b>{cluster.tasks.erred} failed</b>")
    shown = f'<a href="{escape(link)}" target="_blank">Dashboard</a>' if link else ""
    return (
        f'<div><b title="{escape(cluster.name)}">{title}</b> &nbsp; {shown}</div>'
        f'<div style="{MUTED}">{" · ".join(facts)}</div>'
    )


def _workers(cluster: Cluster) -> str:
    of = "" if cluster.wanted in (None, cluster.workers) else f" of {cluster.wanted}"
    text = f"{cluster.workers}{of} {'worker' if cluster.workers == 1 and not of else 'workers'}"
    if cluster.adaptive:
        upper = "" if cluster.adaptive.maximum is None else cluster.adaptive.maximum
        text += f" (adapts, {cluster.adaptive.minimum} to {upper or 'as many as allowed'})"
    return text


def _button(text: str, tooltip: str, action: Callable[[], None]) -> widgets.Button:
    button = widgets.Button(description=text, tooltip=tooltip, layout={"width": "auto"})
    button.on_click(lambda _: action())
    return button
