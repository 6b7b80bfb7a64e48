"""Datasets of the facility's own: those in its configuration, then those of its cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from casita_columns.finders.base import BadName, Context, Found, NotThere


class Catalogue:
    """The name is a key of a fileset in coffea's form."""

    def __init__(self, datasets: Mapping[str, Any]) -> None:
        self._datasets = datasets

    def find(self, name: str, context: Context) -> Iterator[Found]:
        """Yield the files in the order of the fileset.

        Raises
        ------
        BadName
            What is there is no fileset.
        NotThere
            There is no such dataset.
        """
        fileset = self._datasets.get(name) or context.fetch_fileset(name)
        if fileset is None:
            raise NotThere(
                f"the catalogue has no dataset {name!r}", hint="`casita cache datasets` lists them"
            )
        files = fileset.get("files") if isinstance(fileset, Mapping) else None
        if not isinstance(files, Mapping | list) or not files:
            raise BadName(f"the dataset {name!r} has no files in coffea's form")
        for path in files:
            more = files[path] if isinstance(files, Mapping) else None
            events = more.get("num_entries") if isinstance(more, Mapping) else None
            yield Found((str(path),), events=events if isinstance(events, int) else 0)
