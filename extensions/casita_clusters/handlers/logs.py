"""Logs of a cluster as they grow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from pydantic import BaseModel

from casita.errors import CasitaError, MissingError
from casita.jupyter.handlers import Event
from casita_clusters import engine
from casita_clusters.client import AsyncClusters
from casita_clusters.models import ClusterLogs, LogLines

LINES = 500
"""How much of each log is looked at; what a process writes faster than that is left out."""
PERIOD_SECONDS = 1.0


class LogStatus(BaseModel):
    """What became of a cluster whose logs are followed."""

    status: str
    reason: str = ""


async def follow_logs(clusters: AsyncClusters, name: str) -> AsyncGenerator[Event, None]:
    """Give every process's lines and the cluster's state; then what is new, until its end.

    Raises
    ------
    CasitaError
        The first look failed: there is no such cluster, or nobody answers.
    """
    seen: dict[str, Sequence[str]] = {}
    status = LogStatus(status="")
    found = await clusters.logs(name, LINES)
    while True:
        for process, fresh in _news(seen, found):
            yield "log", LogLines(process=process, text="\n".join(fresh))
        if (now := LogStatus(status=found.status.lower(), reason=found.reason)) != status:
            status = now
            yield "status", status
        if status.status in ("stopped", "failed"):
            break
        await asyncio.sleep(PERIOD_SECONDS)
        try:
            found = await clusters.logs(name, LINES)
        except MissingError:
            found = ClusterLogs(logs=[], status="STOPPED")
        except CasitaError:
            continue  # a gateway that restarts is back in a moment
    # Nothing more will come, but an end would make the browser ask again and again.
    await asyncio.Event().wait()


def _news(seen: dict[str, Sequence[str]], found: ClusterLogs) -> list[tuple[str, Sequence[str]]]:
    """Return the new lines of each process, and note them in ``seen``."""
    news = []
    for one in found.logs:
        lines = one.text.splitlines()
        if fresh := engine.new_lines(seen.get(one.process, ()), lines):
            news.append((one.process, fresh))
        seen[one.process] = lines
    return news
