"""The input of notebooks/ttbar.ipynb: which branches it reads, and its fileset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from casita.data import data_directory
from casita.data.catalogue import SAMPLES
from casita.data.fetch import fetch_samples
from casita.data.inputs import Input, expand, fileset_of, inspect

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
    """Return a coffea fileset of what ``text`` names, or of the catalogue's samples.

    Samples that are not here yet are fetched.

    Raises
    ------
    DataError
        As :func:`inputs`; or the samples can't be fetched.
    """
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
