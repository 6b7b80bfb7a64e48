"""Records of the CERN Open Data portal: ``cernopendata://1507``.

Asked by its REST, ``/api/records/ID``.  The files of a record are in ``metadata.files``, or, of
large ones, in ``metadata._file_indices``; an index may come without its files, which are then at
``/record/ID/file_index/KEY`` (``cernopendata/api.py`` and ``modules/records/utils.py`` of
cernopendata-portal, ``searcher.py`` of cernopendata-client).  What was found is kept: a facility
without a route to the portal answers from that, or from what its operator has put there.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import Field

from casita.backend import Settings
from casita.files import write_atomic
from casita.units import Duration
from casita_columns.finders.base import BadName, Context, Found, LookupFailed, NotThere
from casita_columns.finders.files import address

NUMBER = re.compile(r"[0-9]{1,10}")
CHECKSUM = re.compile(r"(?:adler32:)?([0-9a-fA-F]{1,8})")
TIMEOUT = httpx.Timeout(60, connect=10)
DONE = (404, 410)
ONLINE = "online"


class CernOpenDataSettings(Settings):
    """``[backends.columns.finders.cernopendata]``."""

    url: str = Field(default="https://opendata.cern.ch", description="Address of the portal.")
    index: Path | None = Field(
        default=None,
        description="Folder with records that were fetched elsewhere: `ID.json` each, as "
        "`/api/records/ID` gives them, or a file index.",
    )
    keep: Duration = Field(
        default=7 * 86400,
        description="So long a record is not asked for again; then it is kept "
        "for when the portal can't be reached.",
    )


class CernOpenData:
    """The name is the number of a record."""

    scheme = "cernopendata"
    title = "Records of the CERN Open Data portal"

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = CernOpenDataSettings.model_validate(settings)
        self._url = self._settings.url.rstrip("/")

    def find(self, name: str, context: Context) -> Iterator[Found]:
        """Yield a record's ROOT files, by address.

        Raises
        ------
        BadName
            It is no number.
        NotThere
            There is no such record, or it has no ROOT files.
        LookupFailed
            The portal does not answer and the record is not kept; or a file is on tape.
        """
        if not NUMBER.fullmatch(name):
            raise BadName(
                f"did: {name[:60]!r} is no record of CERN Open Data",
                hint="write its number, e.g. cernopendata://1507?files=10",
            )
        number = int(name)
        files = {one["uri"]: one for one in self._files(number, context) if _is_root(one)}
        if not files:
            raise NotThere(f"record {number} of CERN Open Data has no ROOT files")
        for _, one in sorted(files.items()):
            if one.get("availability", ONLINE) == ONLINE:
                yield _found(one, number)
            elif context.get == "all":
                raise LookupFailed(
                    f"{one['uri']} is on tape",
                    hint=f"request it at {self._url}/record/{number}, or write ?get=available",
                )

    def _files(self, number: int, context: Context) -> list[dict[str, Any]]:
        kept = context.directory / self.scheme / f"{number}.json"
        own = self._settings.index / f"{number}.json" if self._settings.index else None
        if own is not None and (found := _read(own)) is not None:
            return found
        if _age(kept) < self._settings.keep and (found := _read(kept)) is not None:
            return found
        try:
            files = self._ask(number, context.http)
        except LookupFailed:
            if (found := _read(kept)) is not None:
                return found
            raise
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(kept, json.dumps(files))
        return files

    def _ask(self, number: int, http: httpx.Client) -> list[dict[str, Any]]:
        files = listed(self._get(f"{self._url}/api/records/{number}", number, http))
        whole = []
        for one in files:
            if "uri" in one:
                whole.append(one)
            else:
                index = f"{self._url}/record/{number}/file_index/{quote(str(one['key']))}"
                whole += listed(self._get(index, number, http))
        return whole

    def _get(self, url: str, number: int, http: httpx.Client) -> Any:
        hint = (
            "try again later; without a route, an operator saves what it answers as "
            f"{number}.json in the folder backends.columns.finders.cernopendata.index"
        )
        try:
            answer = http.get(url, timeout=TIMEOUT, headers={"Accept": "application/json"})
            if answer.status_code in DONE:
                raise NotThere(f"CERN Open Data has no record {number}")
            if answer.is_error:
                raise LookupFailed(f"{url} answers {answer.status_code}", hint=hint)
            content = answer.json()
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise LookupFailed(f"{url} does not answer: {why}", hint=hint) from error
        except ValueError as error:
            raise LookupFailed(f"{url} does not answer with JSON", hint=hint) from error
        if not isinstance(content, dict | list):
            raise LookupFailed(f"{url} does not answer with a record", hint=hint)
        return content


def listed(content: Any) -> list[dict[str, Any]]:
    """Return the files in what the portal answers, and indices that come without their files.

    Parameters
    ----------
    content
        A record, an index, or the list of an index's files.
    """
    if isinstance(content, list):
        return [one for one in content if isinstance(one, dict) and ("uri" in one or "key" in one)]
    metadata = content.get("metadata", content)
    files = listed(metadata.get("files") or [])
    for index in metadata.get("_file_indices") or []:
        files += listed(index["files"]) if index.get("files") else [{"key": index["key"]}]
    return files


def _is_root(file: Mapping[str, Any]) -> bool:
    return str(file.get("uri")).endswith(".root")


def _found(file: Mapping[str, Any], number: int) -> Found:
    path = address(str(file["uri"]))
    if path is None:
        raise LookupFailed(f"record {number} of CERN Open Data has a file at {file['uri']!r}")
    # Some checksums lack their kind: those are adler32, too (scripts/fix_bare_checksums.py).
    checksum = CHECKSUM.fullmatch(str(file.get("checksum") or ""))
    size = file.get("size")
    return Found((path,), size if isinstance(size, int) else 0, 0, checksum and checksum[1])


def _age(path: Path) -> float:
    """Return for how long a file has been there, in seconds."""
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except OSError:
        return float("inf")


def _read(path: Path) -> list[dict[str, Any]] | None:
    """Return the files in a kept record; None if there is none that can be read."""
    try:
        files = listed(json.loads(path.read_bytes()))
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return None
    return files if all("uri" in one for one in files) else None
