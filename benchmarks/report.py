"""The machine, the medians, and tables of both for people (Markdown) and programs (JSON)."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

import psutil

PACKAGES = ("jupyterhub", "jupyterlab", "dask-gateway", "distributed", "coffea", "uproot")


def machine() -> str:
    """Return one line about this machine."""
    model = "unknown processor"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{len(os.sched_getaffinity(0))} cores of {model}, {memory:.0f} GiB, "
        f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    )


def timed(job: Callable[[], object]) -> float:
    """Return how many seconds a job takes."""
    began = time.monotonic()
    job()
    return time.monotonic() - began


def turns(
    rounds: int, sides: dict[str, Callable[[], dict[str, float]]]
) -> dict[str, dict[str, list[float]]]:
    """Let both sides take turns; returns every value, by side and quantity."""
    values: dict[str, dict[str, list[float]]] = {side: {} for side in sides}
    for _ in range(rounds):
        for side, measure in sides.items():
            for quantity, value in measure().items():
                values[side].setdefault(quantity, []).append(value)
    return values


class Report:
    """Collects tables.

    Parameters
    ----------
    folder
        Where ``results.md`` and ``results.json`` go.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._tables: list[dict[str, object]] = []

    def compare(
        self, title: str, values: dict[str, dict[str, list[float]]], note: str = ""
    ) -> None:
        """Add a table of medians, a column a side, with the ratio of the first two sides."""
        sides = list(values)
        quantities = list(dict.fromkeys(q for side in sides for q in values[side]))
        rows = []
        for quantity in quantities:
            medians = [median(v) if (v := values[side].get(quantity)) else None for side in sides]
            cells = ["" if m is None else f"{m:,.3g}" if m < 1000 else f"{m:,.0f}" for m in medians]
            both = len(medians) > 1 and medians[0] is not None and medians[1]
            ratio = [f"{medians[0] / medians[1]:.2f}"] if both else [""]  # type: ignore[operator]
            rows.append([quantity, *cells, *(ratio if len(sides) > 1 else [])])
        columns = ["", *sides, *([f"{sides[0]} / {sides[1]}"] if len(sides) > 1 else [])]
        self.table(title, columns, rows, note)
        self._tables[-1]["values"] = values

    def table(
        self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], note: str = ""
    ) -> None:
        """Add a table and print it."""
        lines = [f"## {title}", "", "| " + " | ".join(columns) + " |"]
        lines.append("|" + " --- |" + " ---: |" * (len(columns) - 1))
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        lines += ["", note, ""] if note else [""]
        text = "\n".join(lines)
        print(text, flush=True)
        load = os.getloadavg()[0]
        self._tables.append({"title": title, "markdown": text, "load": round(load, 2)})

    def write(self) -> None:
        """Write what there is so far."""
        when = f"{datetime.now(UTC):%Y-%m-%d}"
        head = f"Measured on {when}: {machine()}.\nSeconds and medians unless said otherwise.\n"
        text = "\n".join([head, *(str(one["markdown"]) for one in self._tables)])
        (self._folder / "results.md").write_text(text)
        content = {"machine": machine(), "date": when, "tables": self._tables}
        (self._folder / "results.json").write_text(json.dumps(content, indent=2))
