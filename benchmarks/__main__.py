"""``python -m benchmarks [NAME ...]``: run all benchmarks or some; results go to build/bench."""

import argparse
import importlib
import os
from pathlib import Path

from benchmarks.report import Report

NAMES = ("demo", "start", "clusters", "panel", "tasks", "ttbar", "cache", "columns")


def main() -> None:
    """Run what is asked for, and print and keep the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--events", type=int, default=1_000_000, help="for ttbar")
    parser.add_argument("--rounds", type=int, default=5, help="how often each side has its turn")
    parser.add_argument("--state", type=Path, default=Path("build/bench/state"))
    parser.add_argument("--xrootd", default="xrootd", help="XRootD's server, for cache")
    given = parser.parse_args()
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"no benchmark {', '.join(unknown)}; there are: {', '.join(NAMES)}")
    os.environ["PYTHONWARNINGS"] = "ignore::RuntimeWarning"  # coffea's schema, in child processes
    report = Report(Path("build/bench"))
    for name in given.names or NAMES:
        importlib.import_module(f"benchmarks.{name}").run(report, given)
        report.write()


if __name__ == "__main__":
    main()
