"""From set-up to the first histogram, step by step, in an empty state directory."""

from __future__ import annotations

import json
import shutil
from argparse import Namespace
from pathlib import Path
from statistics import median

from benchmarks.report import Report
from casita.testing import ROOT, casita


def run(report: Report, given: Namespace) -> None:
    """Run ``casita demo`` from nothing, a few times."""
    steps: dict[str, list[float]] = {}
    for _ in range(min(3, given.rounds)):
        state = Path(given.state).absolute().with_name("demo")
        shutil.rmtree(state, ignore_errors=True)
        try:
            done = casita("demo", "--json", *ROOT, "--state", state)
        finally:
            casita("down", "--state", state, check=False)
        outcome = json.loads(done.stdout)
        assert outcome["identical"]
        for step, seconds in outcome["seconds"].items():
            steps.setdefault(step, []).append(seconds)
    rows = [[step, f"{median(values):.1f}"] for step, values in steps.items()]
    rows.append(["all together", f"{sum(median(values) for values in steps.values()):.1f}"])
    report.table(
        "Set-up to first histogram",
        ["step", "s"],
        rows,
        "Empty state directory; the environment is there. Data come from the package index.",
    )
