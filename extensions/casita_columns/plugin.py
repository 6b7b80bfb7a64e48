"""What :func:`casita_columns.lend` puts into the workers of a Dask cluster."""

from __future__ import annotations

from typing import Any

from distributed import WorkerPlugin

from casita_columns.lending import Loan


class Lender(WorkerPlugin):  # type: ignore[misc]
    """Reads files in a thread beside each worker's tasks, one for each of its threads."""

    name = "casita-columns"

    def __init__(self, url: str, ca: str) -> None:
        self._where = url, ca
        self._loans: list[Loan] = []

    def setup(self, worker: Any) -> None:
        """Begin (called by dask)."""
        self._loans = [Loan(*self._where) for _ in range(worker.state.nthreads)]
        for one in self._loans:
            one.start()

    def teardown(self, worker: Any) -> None:
        """End (called by dask)."""
        for one in self._loans:
            one.stop()

    def __getstate__(self) -> dict[str, Any]:
        return {"_where": self._where, "_loans": []}
