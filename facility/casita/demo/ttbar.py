"""The input of notebooks/ttbar.ipynb: which branches it reads, and its fileset."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from casita.client import checked, connection
from casita.data import data_directory
from casita.data.catalogue import SAMPLES
from casita.data.fetch import fetch_samples
from casita.data.inputs import Input, expand, fileset_of, inspect
from casita.errors import DataError, ServiceError
from casita.storage import storage_token

FIELDS = {
    "Electron": ("pt", "eta", "phi", "mass", "charge", "cutBased", "sip3d"),
    "Muon": ("pt", "eta", "phi", "mass", "charge", "tightId", "sip3d", "pfRelIso04_all"),
    "Jet": ("pt", "eta", "phi", "mass", "btagDeepFlavB"),
}
NEEDED = (
    "run",
    "luminosityBlock",
    "event",
    *(f"n{collection}" for collection in FIELDS),
    *(f"{collection}_{field}" for collection, fields in FIELDS.items() for field in fields),
    "Jet_jetId|Jet_neHEF",
)
"""Branches without which a file is refused; ``A|B`` asks for either."""


def inputs(text: str) -> list[Input]:
    """Return the checked files that a person names.

    Raises
    ------
    DataError
        One of them is not there, not readable, empty, or lacks branches.
    """
    return [inspect(path, NEEDED) for path in expand(text)]


def fileset(text: str = "") -> dict[str, Any]:
    """Return a coffea fileset of what ``text`` names, or of the samples.

    A name without a slash that is no file is a dataset of the facility's cache.

    Samples that are not here yet are fetched.

    Raises
    ------
    DataError
        As :func:`inputs`; or the samples can't be fetched.
    """
    if text and "/" not in text and not Path(text).exists():
        return _of_catalogue(text)
    if text:
        found = inputs(text)
        name = Path(text.rstrip("/*")).stem or "events"
        events = sum(one.events for one in found)
        return fileset_of(found, name, title=name, events=events, measured=False)
    directory = data_directory()
    fetch_samples(SAMPLES, directory)
    return {
        name: dataset
        for sample in SAMPLES
        for name, dataset in fileset_of(
            [inspect(str(directory / sample.file), NEEDED)],
            sample.name,
            title=sample.title,
            events=sample.events,
            measured=sample.measured,
        ).items()
    }


def _of_catalogue(name: str) -> dict[str, Any]:
    """Return a dataset of the facility, whose files come through its cache."""
    with connection().http() as http:
        token = storage_token(http, "cache").token
        headers = {"Authorization": f"Bearer {token}"}
        answer = http.get(f"/services/cache/datasets/{quote(name, safe='')}", headers=headers)
        try:
            content = checked(answer)[name]
        except ServiceError as error:
            raise DataError(f"{name}: {error.message}", hint="`casita cache datasets`") from None
    found = [inspect(path, NEEDED) for path in content["files"]]
    title, events = content["metadata"].get("title", name), sum(one.events for one in found)
    return fileset_of(found, name, title=title, events=events, measured=False)
