"""What the Facility panel's header shows, as it travels from Jupyter server to browser.

The panel's TypeScript types (extensions/lab/src/facility/models.ts) are made from these classes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Watches(_Model):
    """The first event of ``/casita/events``: what the others may be named."""

    names: list[str]


class Trouble(_Model):
    """An event of ``/casita/events``: a watch that can't look."""

    watch: str
    code: str
    message: str
    hint: str = ""


class Problem(_Model):
    """Why a section is not up to date, and what to do about it."""

    message: str
    hint: str = ""


class SectionState(_Model):
    """All that a section of the panel shows: an event of ``/casita/events``."""

    problem: Problem | None = None
    """Why the rest may be out of date."""


class ServiceSectionState(SectionState):
    """The same of a service that a facility need not have."""

    configured: bool = True
    """Whether the facility has it."""


class BackendState(_Model):
    """One backend of the facility, as this user's server knows it."""

    name: str
    title: str
    state: Literal["on", "off", "broken"]
    """off: the operator's choice; broken: its part of the Jupyter server could not be loaded."""
    reason: str = ""
    remedy: str = ""


class FacilityState(_Model):
    """Who is where, and for how long: an event of ``/casita/events``."""

    name: str
    """Of the facility."""
    user: str
    profile: str
    """embedded, multiuser, ...; "" outside a facility's own servers."""
    url: str
    version: str
    """Of casita."""
    server_idle_ends: datetime | None = None
    """When this server is stopped unless it is used; None where that never happens."""
    server_idle_timeout: int | None = None
    """Seconds."""
    token_expires: datetime | None = None
    """When the server's token ends; None: with the server."""
    backends: list[BackendState] = Field(default_factory=list)
