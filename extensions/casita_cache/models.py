"""What the service says, and what it is told: the wire models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from casita.jupyter.models import ServiceSectionState

Url = Annotated[str, Field(max_length=4000)]


class FileState(BaseModel):
    """One file, as its cache has it."""

    url: str
    """At its origin."""
    origin: str
    path: str
    size: int
    """Bytes; of a file that the cache has not met, as its origin says."""
    cached: int
    """Bytes on the cache's disk."""
    fraction: float
    """``cached / size``, 0 to 1; 1 for an empty file that the cache has met."""
    accesses: int
    """How often it was opened there."""
    last_access: float | None
    """Unix time."""
    pinned: bool


class FolderState(BaseModel):
    """A folder at an origin, and what the cache has of it."""

    url: str
    origin: str
    path: str
    files: int
    """Cached ones, whole or in part, at any depth."""
    cached: int
    """Bytes."""


class Listing(BaseModel):
    """A folder's content; files that the cache has not met included, if the origin answered."""

    folders: list[FolderState]
    files: list[FileState]
    complete: bool
    """Whether the origin told of its files."""


class OriginState(BaseModel):
    """One origin's cache. Bytes."""

    name: str
    url: str
    addresses: list[str]
    cache: str
    """Address of the cache."""
    up: bool
    files: int
    cached: int
    size: int
    """Limit."""
    pinned: int
    served: int
    """To readers, since the service began to count."""
    hit: int
    missed: int
    hit_ratio: float | None
    """0 to 1; None before the first byte."""
    saved: int
    """Bytes that did not come over the network again."""
    open_files: int
    version: str


class Status(BaseModel):
    """The caches of a facility."""

    origins: list[OriginState]
    guarded: bool
    """Whether readers need storage tokens."""
    lost: int
    """Monitoring packets that did not come: so much is not counted."""


class DatasetState(BaseModel):
    """A dataset of the catalogue, and what the caches have of it."""

    name: str
    title: str
    tree: str
    files: int
    size: int | None
    """Bytes, if known of every file."""
    cached: int
    fraction: float | None
    """Of its files' bytes; of unknown sizes, of its files. None: no cache for its origins."""
    pinned: bool
    """Whether all of its files are."""


class Targets(BaseModel):
    """What a request is about: files, globs and datasets."""

    urls: list[Url] = Field(default_factory=list, max_length=100_000)
    """Files at their origins, folders (ending in /) or with * and ? in their last part."""
    datasets: list[Annotated[str, Field(max_length=200)]] = Field(
        default_factory=list, max_length=1000
    )


class Failure(BaseModel):
    """A file that could not be had."""

    url: str
    message: str


class Job(BaseModel):
    """A prefetch."""

    id: str
    user: str
    title: str
    state: Literal["running", "done", "failed", "cancelled"]
    """failed: at least one file could not be had."""
    files: int
    files_done: int
    bytes: int
    """Of the files whose size is known so far."""
    bytes_done: int
    fraction: float
    """0 to 1; files whose size is not known yet count as much as the others."""
    rate: float
    """Bytes a second, lately."""
    started: float
    """Unix time."""
    ended: float | None
    failures: list[Failure]
    """The first twenty."""


class Pinned(BaseModel):
    """What was pinned: files, the job that fetches them, and what is on disk then."""

    files: int
    bytes: int
    job: Job | None


class Evicted(BaseModel):
    """What was removed from disk."""

    files: int
    bytes: int
    kept: int
    """Files that are pinned."""


class Access(BaseModel):
    """A file that caches closed lately. Bytes, since the service began to count."""

    origin: str
    path: str
    hit: int
    missed: int
    closed: int
    """How often."""


class Suspect(BaseModel):
    """A file whose cached copy gave errors."""

    url: Url


class Overview(ServiceSectionState):
    """All that a user's panel shows."""

    status: Status | None = None
    """None until the service has answered."""
    datasets: list[DatasetState] = Field(default_factory=list)
    jobs: list[Job] = Field(default_factory=list)
    """The user's prefetches that run or ended lately, newest first."""
