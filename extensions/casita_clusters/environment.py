"""Whether a notebook's packages are on a cluster, said before a task fails for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

from casita_clusters import engine
from casita_clusters.client import installed
from casita_clusters.models import Difference, Environment
from casita_clusters.wire import Packages

TELLING = (
    *("python", "dask", "distributed", "cloudpickle", "msgpack"),
    *("coffea", "awkward", "uproot", "numpy", "hist", "pyarrow", "vector", "correctionlib"),
)
"""Whose versions matter most, first those that pass between notebook and cluster."""
SHOWN = 8


def compare(there: Packages) -> Environment:
    """Return how a cluster's environment compares with this program's."""
    found = there.compared(sys.prefix, installed())
    if not found.shared:
        return found
    # What was installed into the shared folder is there, also if the cluster is older than that.
    outside = engine.differences(elsewhere(distributions()), there.packages)
    return Environment(shared=True, differences=outside)


def elsewhere(found: Iterable[Distribution]) -> dict[str, str]:
    """Return the versions of distributions that don't lie in this program's environment."""
    roots = {Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}
    versions: dict[str, str] = {}
    for one in found:
        place = Path(str(one.locate_file(""))).resolve()
        if not roots & {place, *place.parents}:
            versions.setdefault(one.name, one.version)
    return versions


def warning(environment: Environment) -> str:
    """Return what to say of an environment: one paragraph, or "" if all is well."""
    missing = [one for one in environment.differences if one.there is None]
    other = [one for one in environment.differences if one.there is not None]
    sentences = []
    if other:
        listed = _listed(other, lambda one: f"{one.package} {one.here} (cluster: {one.there})")
        sentences.append(f"Other versions on the cluster: {listed}.")
    if missing:
        listed = _listed(missing, lambda one: f"{one.package} {one.here}")
        sentences.append(f"In this notebook's environment, but not on the cluster: {listed}.")
    if sentences:
        sentences.append(
            "Take the cluster's environment for this notebook, or make the cluster with this "
            "one (option `environment`); modules of your own go with connect(..., upload=[...])."
        )
    return " ".join(sentences)


def _listed(differences: list[Difference], text: Callable[[Difference], str]) -> str:
    rank = {name: number for number, name in enumerate(TELLING)}
    ordered = sorted(differences, key=lambda one: (rank.get(one.package, len(rank)), one.package))
    more = len(ordered) - SHOWN
    listed = ", ".join(text(one) for one in ordered[:SHOWN])
    return f"{listed} and {more} more" if more > 0 else listed
