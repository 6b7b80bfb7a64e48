"""What the service answers, beyond ServiceX's own forms (:mod:`casita_columns.wire`)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from casita.jupyter.models import ServiceSectionState

State = Literal["Submitted", "Lookup", "Running", "Complete", "Fatal", "Canceled", "Bad Dataset"]
Format = Literal["parquet", "root-file", "root-rntuple"]
DONE = ("Complete", "Fatal", "Canceled", "Bad Dataset")


class FileFailure(BaseModel):
    """A file that came to nothing."""

    number: int
    """From 0, in the dataset's order."""
    path: str
    message: str
    lines: list[str] = Field(default_factory=list)
    """First and last lines of what it said."""
    attempts: int


class ResultFile(BaseModel):
    """A file that was delivered."""

    number: int
    path: str
    """What was read."""
    name: str
    """Of the object."""
    size: int
    """Bytes."""
    events: int
    created: int
    """When it was there, in microseconds; increases in a request."""
    url: str = ""
    """Signed, for some hours; no token is needed."""


class RequestState(BaseModel):
    """A request, and how far it is."""

    id: str
    title: str
    did: str
    dataset_id: int
    codegen: str
    format: str
    destination: str
    selection: str
    state: State
    trouble: str
    """Why it failed, or the first file did; or ""."""
    files: int
    completed: int
    failed: int
    events: int
    """Written."""
    events_in: int
    size: int
    """Bytes delivered."""
    bytes_in: int
    """Bytes read."""
    rate: float
    """Events read each second since it began."""
    submitted: float
    """Unix time, as the next two."""
    started: float | None
    finished: float | None
    cached: bool
    """Whether its results were there already."""
    executor: str

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self.state in DONE


class RequestDetails(RequestState):
    """A request with what went wrong."""

    failures: list[FileFailure]


class DatasetState(BaseModel):
    """A dataset of the user's."""

    id: int
    name: str
    finder: str
    did: str
    files: int
    size: int
    """Bytes, as far as known."""
    events: int
    state: str
    trouble: str
    used: float
    updated: float


class Branch(BaseModel):
    """A column of a tree."""

    name: str
    type: str
    """As uproot calls it, e.g. ``float[]``."""
    bytes: float
    """Compressed, for each event."""


class Tree(BaseModel):
    """A tree (TTree or RNTuple) of a file."""

    name: str
    entries: int
    kind: Literal["TTree", "RNTuple"]
    branches: list[Branch]


class Look(BaseModel):
    """What the first file of a dataset holds."""

    did: str
    dataset_id: int
    files: int
    size: int
    events: int
    """Of all files, as far as known, or 0."""
    path: str
    """The file that was looked at."""
    trees: list[Tree]


class LookRequest(BaseModel):
    """A dataset to look at."""

    did: str = Field(default="", max_length=4000)
    files: list[str] = Field(default_factory=list, max_length=10_000)


class NewRequest(BaseModel):
    """What the panel asks for."""

    title: str = Field(default="", max_length=10_240)
    did: str = Field(default="", max_length=8192)
    files: list[str] = Field(default_factory=list)
    """Instead of ``did``."""
    selection: str
    codegen: str = "uproot-raw"
    format: Format = "parquet"


class Codegen(BaseModel):
    """A code generator."""

    name: str
    title: str
    where: str
    """``here``, or the ServiceX that has it."""


class Service(BaseModel):
    """What this facility delivers, and how."""

    version: str
    codegens: list[Codegen]
    finders: list[str]
    workers: int
    executor: str
    confined: bool
    """Whether users' code runs in bubblewrap's walls."""
    usage: int
    """Bytes of the user's results."""
    quota: int
    keep: float
    """Seconds for which results are kept."""
    url: str


class Overview(ServiceSectionState):
    """All that the panel shows at a glance."""

    service: Service | None = None
    """None until the service has answered."""
    requests: list[RequestState] = Field(default_factory=list)
    """The latest first, without their selections."""
