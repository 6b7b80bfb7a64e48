"""Lets Dask Gateway's objects be thrown away after they were closed.

``Gateway.__del__`` of dask-gateway 2026.3 closes once more and asks for a loop that has stopped.
Since distributed 2026.8 that raises, and "Exception ignored in ..." would stand in notebooks.
"""

from __future__ import annotations

from dask_gateway import Gateway

_delete = Gateway.__del__


def _delete_if_open(self: Gateway) -> None:
    runner = getattr(self, "_loop_runner", None)
    if runner is not None and runner.is_started():
        _delete(self)


Gateway.__del__ = _delete_if_open
