"""The catalogue: real CMS files that anybody can have, with checksums.

The samples are test files of coffea and travel in its source distribution, so whoever can install
casita can fetch them, too.  The Open Data set of the Analysis Grand Challenge (AGC) needs a route
to its own hosts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from casita.errors import DataError
from casita.files import read_json

DISTRIBUTION = "coffea"
VERSION = "2026.9.0"
ARCHIVE_SHA256 = "7dfc1b54d9d1533c8a5bd8a5786d13272ea1a170b0817061d4478f721aedae04"
"""Of coffea's source distribution, 30 MB (BSD-3-Clause)."""
GENERATED = "generated"
"""Folder of what ``casita data generate`` made."""
MANIFEST = "dataset.json"


@dataclass(frozen=True)
class Sample:
    """One real NanoAOD file."""

    name: str
    title: str
    """For a plot's legend."""
    events: int
    size: int
    """Bytes."""
    sha256: str
    measured: bool = False
    """Whether it is collision data rather than simulation."""

    @property
    def file(self) -> str:
        """Its name below the data directory."""
        return f"{self.name}.root"

    @property
    def member(self) -> str:
        """Its name in coffea's source distribution."""
        return f"{DISTRIBUTION}-{VERSION}/tests/samples/{self.file}"


SAMPLES = (
    Sample(
        "nano_tt_v12",
        "tt to lepton + jets, Run 3",
        200,
        980_772,
        "bc9afdac1e5e1bf820f79e4f8d4942c893ed2accfcb2e49bb63b69727b59af3b",
    ),
    Sample(
        "nano_tt_v15",
        "tt to all jets, Run 3",
        200,
        2_876_917,
        "0ee769872082459bf2ccbef08b916c26b3070b64969812aea4d75a0cfa006256",
    ),
    Sample(
        "nano_dy",
        "Drell-Yan",
        40,
        352_599,
        "159b17b34b4d13ea4960d36fb9b01f2a505cc1a5a8de0fb3cfa185154543c81c",
    ),
    Sample(
        "nano_dimuon",
        "dimuon data 2018",
        40,
        350_812,
        "eac7c0a973e054e890766ec4c61ca784d3d49e4f82ec0c8b9dfbe55c233297a9",
        measured=True,
    ),
)


@dataclass(frozen=True)
class OpenData:
    """A large public dataset, as a list of URLs."""

    name: str
    title: str
    index: str
    """URL of the AGC's input list, ``{process: {variation: {"files": [{"path", "nevts"}]}}}``."""
    sha256: str
    process: str
    files: int
    events: int


OPEN_DATA = (
    OpenData(
        "agc_ttbar",
        "CMS 2015 Open Data ttbar of the Analysis Grand Challenge",
        "https://raw.githubusercontent.com/iris-hep/analysis-grand-challenge/c37bf59/"
        "analyses/cms-open-data-ttbar/nanoaod_inputs.json",
        "84704916322c6eb48b2f21ff7ef305ffd36aed132be5f43f1f48343cb5ef283f",
        "ttbar",
        243,
        276_079_127,
    ),
)


@dataclass(frozen=True)
class Entry:
    """One line of ``casita data list``."""

    name: str
    title: str
    events: int
    files: list[str] = field(default_factory=list)
    """Paths of what is here; empty when it is not fetched."""
    size: int = 0
    """Bytes of what is here."""

    @property
    def here(self) -> bool:
        """Whether it can be read now."""
        return bool(self.files)


def entries(directory: Path) -> list[Entry]:
    """Return everything in the catalogue and everything generated or fetched."""
    found = [_entry(one.name, one.title, one.events, [directory / one.file]) for one in SAMPLES]
    for remote in OPEN_DATA:
        files = sorted((directory / remote.name).glob("*.root"))
        found.append(_entry(remote.name, remote.title, remote.events, files))
    for manifest in sorted((directory / GENERATED).glob(f"*/{MANIFEST}")):
        about = read_json(manifest, {})
        files = [manifest.parent / name for name in about.get("files", [])]
        title = f"generated from {about.get('source_name')}, seed {about.get('seed')}"
        if not all(file.is_file() for file in files):
            title += " (unfinished)"
        found.append(_entry(manifest.parent.name, title, about.get("events", 0), files))
    return found


def _entry(name: str, title: str, events: int, files: list[Path]) -> Entry:
    here = [file for file in files if file.is_file()]
    return Entry(name, title, events, [str(f) for f in here], sum(f.stat().st_size for f in here))


def find(name: str) -> Sample | OpenData:
    """Return what the catalogue holds under a name.

    Raises
    ------
    DataError
        There is nothing of that name; the names are listed.
    """
    known: dict[str, Sample | OpenData] = {one.name: one for one in (*SAMPLES, *OPEN_DATA)}
    if name not in known:
        raise DataError(f"no dataset {name!r}", hint=f"there are: {', '.join(known)}")
    return known[name]


def urls(remote: OpenData, index: bytes) -> Mapping[str, int]:
    """Return events by URL, from the AGC's input list.

    Raises
    ------
    DataError
        The list has another form than expected.
    """
    try:
        listed: dict[str, Any] = json.loads(index)
        files = listed[remote.process]["nominal"]["files"]
        return {str(one["path"]): int(one["nevts"]) for one in files}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{remote.index}: not a list of NanoAOD files: {error!r}") from error
