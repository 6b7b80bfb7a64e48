"""The service's Prometheus metrics, made from what the servers told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from casita_cache.desk import ServiceSettings
from casita_cache.models import Status
from casita_cache.tally import Snapshot

GAUGES = {
    "cached": "Bytes on the cache's disk.",
    "size": "Most bytes that it may hold.",
    "files": "Files that it has, whole or in part.",
    "pinned": "Bytes on disk that are pinned.",
    "open_files": "Files that readers have open.",
}
COUNTERS = {
    "served": "Bytes that readers got.",
    "hit": "Bytes that came from disk.",
    "missed": "Bytes that came from the origin.",
}
UNITS = {"cached": "_bytes", "size": "_bytes", "pinned": "_bytes"}


class Cache(Collector):
    """Collects when it is asked."""

    def __init__(
        self,
        status: Callable[[], Status],
        snapshot: Callable[[], Snapshot],
        settings: ServiceSettings,
    ) -> None:
        self._status = status
        self._snapshot = snapshot
        self._with_users = settings.user_metrics

    def describe(self) -> list[Metric]:
        """Return nothing: metrics are known once servers have told of themselves."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of every origin (called by prometheus_client)."""
        status = self._status()
        for name, about in GAUGES.items():
            gauge = GaugeMetricFamily(
                f"casita_cache_{name}{UNITS.get(name, '')}", about, labels=["origin"]
            )
            for one in status.origins:
                gauge.add_metric([one.name], getattr(one, name))
            yield gauge
        yield _up(status)
        for name, about in COUNTERS.items():
            counter = CounterMetricFamily(f"casita_cache_{name}_bytes", about, labels=["origin"])
            for one in status.origins:
                counter.add_metric([one.name], getattr(one, name))
            yield counter
        yield from _ratios(status)
        yield CounterMetricFamily(
            "casita_cache_lost_packets", "Monitoring packets that were lost.", value=status.lost
        )
        if self._with_users:
            yield self._users()

    def _users(self) -> Metric:
        family = CounterMetricFamily(
            "casita_cache_user_bytes", "Bytes that a user got.", labels=["user", "proved"]
        )
        for one in self._snapshot().users:
            family.add_metric([one.name, str(one.proved).lower()], one.served)
        return family


def _up(status: Status) -> Metric:
    family = GaugeMetricFamily("casita_cache_up", "Whether the cache answers.", labels=["origin"])
    for one in status.origins:
        family.add_metric([one.name], float(one.up))
    return family


def _ratios(status: Status) -> Iterator[Metric]:
    ratio = GaugeMetricFamily(
        "casita_cache_hit_ratio", "Part of the bytes that came from disk.", labels=["origin"]
    )
    saved = GaugeMetricFamily(
        "casita_cache_saved_bytes", "Bytes that needed no network.", labels=["origin"]
    )
    values: Any
    for one in status.origins:
        saved.add_metric([one.name], one.saved)
        if (values := one.hit_ratio) is not None:
            ratio.add_metric([one.name], values)
    yield ratio
    yield saved
