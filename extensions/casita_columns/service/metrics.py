"""What Prometheus learns of column delivery; no names of users or data."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from casita_columns.records.requests import Records
from casita_columns.workers.pool import Pool


class Columns(Collector):
    """Looks when it is asked."""

    def __init__(self, records: Records, pool: Pool) -> None:
        self._records = records
        self._pool = pool

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics (called by prometheus_client)."""
        requests = GaugeMetricFamily(
            "casita_columns_requests", "Requests that are remembered, by state.", labels=["state"]
        )
        for state, number in sorted(self._records.counts().items()):
            requests.add_metric([state], number)
        yield requests
        yield GaugeMetricFamily(
            "casita_columns_waiting", "Files that wait to be read.", self._records.waiting()
        )
        yield GaugeMetricFamily(
            "casita_columns_workers", "Files that can be read at the same time.", self._pool.size
        )
        yield GaugeMetricFamily(
            "casita_columns_busy", "Workers that read.", self._pool.size - self._pool.free
        )
        totals = self._records.totals()
        for name, text, value in (
            ("read_bytes", "Bytes read for the requests that are remembered.", totals.bytes_in),
            ("delivered_bytes", "Bytes of their results.", totals.size),
            ("read_events", "Events read for them.", totals.events_in),
            ("delivered_events", "Events of their results.", totals.events),
        ):
            yield GaugeMetricFamily(f"casita_columns_{name}", text, value)
