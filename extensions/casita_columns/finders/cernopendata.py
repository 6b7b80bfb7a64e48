"""Records of the CERN Open Data portal: ``cernopendata://1507``.

Asked by the REST of the portal (``/api/records/RECID``, as ``cernopendata-client`` does); what a
record holds never changes, so it is asked once and kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from casita.files import read_json, write_json
from casita_columns.finders.base import BadName, Context, Found, LookupFailed, NotThere

PORTAL = "https://opendata.cern.ch"


class CernOpenData:
    """The name is the number of a record.

    Parameters
    ----------
    settings
        ``url``: another portal's address; ``index``: a folder with records that were fetched
        elsewhere, ``RECID.json`` each, for facilities without a route.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._url = str(settings.get("url", PORTAL)).rstrip("/")
        self._index = Path(settings["index"]) if "index" in settings else None

    def find(self, name: str, context: Context) -> Iterator[Found]:
        """Yield a record's ROOT files.

        Raises
        ------
        BadName
            It is no number.
        NotThere
            There is no such record, or it has no ROOT files.
        LookupFailed
            The portal does not answer, and the record is not kept.
        """
        if not re.fullmatch(r"\d{1,10}", name):
            raise BadName(f"did: {name[:60]!r} is no record", hint="write cernopendata://1507")
        files = [one for one in self._files(name, context) if one.paths[0].endswith(".root")]
        if not files:
            raise NotThere(f"record {name} of the CERN Open Data portal has no ROOT files")
        yield from files

    def _files(self, name: str, context: Context) -> Iterator[Found]:
        for one in self._record(name, context):
            yield Found(
                (str(one["uri"]),),
                size=int(one.get("size") or 0),
                adler32=str(one.get("checksum") or "").removeprefix("adler32:") or None,
            )

    def _record(self, name: str, context: Context) -> list[dict[str, Any]]:
        kept = context.directory / f"cernopendata-{name}.json"
        for path in (kept, self._index / f"{name}.json" if self._index else kept):
            if (found := read_json(path)) is not None:
                return listed(found) if isinstance(found, dict) else found
        files = listed(self._get(context, f"{self._url}/api/records/{name}", name))
        write_json(kept, files)
        return files

    def _get(self, context: Context, url: str, name: str) -> dict[str, Any]:
        hint = "an operator can put the record's JSON into finders.cernopendata.index"
        try:
            answer = context.http.get(url)
        except httpx.HTTPError as error:
            raise LookupFailed(f"{url}: {error or type(error).__name__}", hint=hint) from error
        if answer.status_code in (404, 410):
            raise NotThere(f"the CERN Open Data portal has no record {name}")
        if answer.is_error:
            raise LookupFailed(f"{url} answers {answer.status_code}", hint=hint)
        try:
            content = answer.json()
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise LookupFailed(f"{url} answers something else than a record", hint=hint)
        return content


def listed(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the files of a record, of its indices first, as those of large records are there."""
    metadata = record.get("metadata", record)
    indices = metadata.get("_file_indices") or metadata.get("file_indices") or []
    files = [file for index in indices for file in index.get("files", ())]
    files = files or metadata.get("_files") or metadata.get("files") or []
    return [one for one in files if isinstance(one, dict) and one.get("uri")]
