"""ServiceX's REST, as its official client speaks it (``servicex/models.py`` of 3.3).  Pure.

Keys are spelled as there: most with hyphens, some with underscores.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha1
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from casita_columns.records.tables import Dataset, DatasetFile, Request, Result

FILE_LIST = "File List Provided in Request"
SELECTION_MAX = 512 * 1024
"""Characters."""
TITLE_MAX = 10_240
CAPABILITIES = [
    "poll_local_transformation_results",
    f"long_sample_titles_{TITLE_MAX}",
    "generate_file_urls",
    "post_cancel_transform",
]
EXTENSIONS = {"parquet": ".parquet", "root-file": ".root", "root-rntuple": ".root"}
Format = Literal["parquet", "root-file", "root-rntuple"]
Destination = Literal["object-store", "volume"]
NAME_MAX = 60


class Submission(BaseModel):
    """``POST /servicex/transformation``; what it does not know, it ignores."""

    model_config = ConfigDict(populate_by_name=True)

    title: str | None = Field(default=None, max_length=TITLE_MAX)
    did: str | None = Field(default=None, max_length=8192)
    file_list: list[str] | None = Field(default=None, alias="file-list")
    selection: str = Field(max_length=SELECTION_MAX)
    codegen: str = Field(max_length=100)
    destination: Destination = Field(default="object-store", alias="result-destination")
    format: Format = Field(default="parquet", alias="result-format")
    fresh: bool = False
    """Ours: whether to read all files anew, though the results be there."""

    @field_validator("selection", "title", "did")
    @classmethod
    def _text(cls, text: str | None) -> str | None:
        if text and ("\0" in text or not _encodes(text)):
            raise ValueError("it holds characters that are no text")
        return text

    @model_validator(mode="after")
    def _one_of_two(self) -> Submission:
        if bool(self.did) == (self.file_list is not None):
            raise ValueError("give either did or file-list")
        return self


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class FileUrls(BaseModel):
    """``POST /servicex/transformation/file-urls``."""

    request_id: str = Field(max_length=100)
    file_list: list[str] = Field(max_length=100_000)
    scheme: str | None = None


def stamp(seconds: float) -> str:
    """Return a Unix time as ServiceX writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def created_text(microseconds: int) -> str:
    """Return the time of a result; clients take it for UTC."""
    moment = datetime.fromtimestamp(microseconds // 1_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{microseconds % 1_000_000:06d}"


def created_of(text: str) -> int:
    """Return the microseconds of a time that a client sends back.

    Raises
    ------
    ValueError
        It is none.
    """
    moment = datetime.fromisoformat(text.replace(" ", "+"))
    moment = moment.replace(tzinfo=UTC)
    if moment.year < 1970:
        return 0
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * 1_000_000 + moment.microsecond


def object_name(number: int, path: str, form: str) -> str:
    """Return the name of a result: unique in its request, and a file's name everywhere."""
    base = re.sub(r"[^A-Za-z0-9._-]", "_", path.partition("?")[0].rsplit("/", 1)[-1])
    base = base.removesuffix(".root")[-NAME_MAX:].lstrip(".") or "file"
    digest = sha1(path.encode(), usedforsecurity=False).hexdigest()[:10]
    return f"{number:06d}-{digest}-{base}{EXTENSIONS[form]}"


def status(request: Request, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``GET /servicex/transformation/{id}``.

    Parameters
    ----------
    more
        What hangs on the service: image, version, address and credentials of its store, log page.
    """
    return {
        "request_id": request.id,
        "did": request.did,
        "did_id": request.dataset_id,
        "title": request.title,
        "selection": request.selection,
        "tree-name": None,
        "workers": 1,
        "result-destination": request.destination,
        "result-format": request.form,
        "generated-code-cm": "",
        "status": request.state,
        "failure-info": request.trouble or None,
        "files": request.files,
        "files-completed": request.completed,
        "files-failed": request.failed,
        "files-remaining": max(0, request.files - request.completed - request.failed),
        "submit-time": stamp(request.submitted),
        "finish-time": stamp(request.finished) if request.finished else "None",
        **more,
    }


def result(request: Request, one: Result) -> dict[str, Any]:
    """Return one row of ``GET /servicex/transformation/{id}/results``."""
    return {
        "id": one.id,
        "request-id": request.id,
        "did": request.did,
        "file-id": one.file_id,
        "file-path": one.paths.partition("\n")[0],
        "s3-object-name": one.name,
        "transform_status": one.state,
        "transform_time": round(one.seconds),
        "total-events": one.events,
        "total-bytes": one.size,
        "avg-rate": round(one.events / one.seconds) if one.seconds else 0,
        "created_at": created_text(one.created or 0),
    }


def dataset(one: Dataset) -> dict[str, Any]:
    """Return one row of ``GET /servicex/datasets``."""
    return {
        "id": one.id,
        "name": one.name,
        "did_finder": one.finder,
        "n_files": one.files,
        "size": one.size,
        "events": one.events,
        "last_used": datetime.fromtimestamp(one.used, UTC).isoformat(),
        "last_updated": datetime.fromtimestamp(one.updated, UTC).isoformat(),
        "lookup_status": one.state,
        "is_stale": one.stale,
    }


def dataset_file(one: DatasetFile) -> dict[str, Any]:
    """Return one file of ``GET /servicex/datasets/{id}``."""
    return {
        "id": one.id,
        "adler32": one.adler32,
        "file_size": one.size,
        "file_events": one.events,
        "paths": one.paths.replace("\n", ","),
    }
