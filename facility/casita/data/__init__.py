"""Datasets for trying and measuring: a small catalogue, a generator, and checks of anybody's files.

:mod:`~casita.data.catalogue` says what there is, :mod:`~casita.data.fetch` and
:mod:`~casita.data.generate` put it into a folder, :mod:`~casita.data.inputs` turns what a person
names (a file, directory, glob or URL) into a checked coffea fileset.
"""

from __future__ import annotations

import os
from pathlib import Path

from casita.site import default_state


def data_directory(state: Path | None = None) -> Path:
    """Return where datasets are kept.

    ``$CASITA_DATA`` (set in every server of the embedded profile) unless a state directory is
    named; else ``data/`` below the user's own state directory.
    """
    named = os.environ.get("CASITA_DATA")
    if named and state is None:
        return Path(named)
    return (state or default_state()) / "data"
