"""The facility and a user's server against a plain ``jupyter lab``."""

from __future__ import annotations

import time
from argparse import Namespace

from benchmarks.facility import facility, jupyter_lab
from benchmarks.report import Report, timed, turns


def run(report: Report, given: Namespace) -> None:
    """Measure the start of hub, proxy and gateway, and the spawn of a server."""
    starts = []
    for _ in range(min(3, given.rounds)):
        began = time.monotonic()
        with facility(given.state):
            starts.append(time.monotonic() - began)
    with facility(given.state) as running, running.login() as session:

        def casita_side() -> dict[str, float]:
            seconds = timed(session.start_server)
            session.stop_server()
            return {"JupyterLab answers": seconds}

        def stock() -> dict[str, float]:
            with jupyter_lab() as seconds:
                return {"JupyterLab answers": seconds}

        values = turns(given.rounds, {"casita": casita_side, "jupyter lab": stock})
    values["casita"]["hub, proxy, gateway are up"] = starts
    report.compare("Start", values)
