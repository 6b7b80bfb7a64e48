"""Long answers, made while they are sent: of a request of many files they take little memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from fastapi.responses import StreamingResponse


def streamed(begin: str, pages: Iterable[Sequence[str]], end: str) -> StreamingResponse:
    """Return an answer of JSON: what is between ``begin`` and ``end``, separated by commas.

    The first page is made at once, so that an error is still answered as one.
    """
    rest = iter(pages)
    first = list(next(rest, ()))

    def parts() -> Iterator[str]:
        separator = begin
        for page in chain([first], rest):
            if page:
                yield separator + ",".join(page)
                separator = ","
        yield end if separator == "," else begin + end

    return StreamingResponse(parts(), media_type="application/json")


def named(name: str, value: Any) -> str:
    """Return a member of a JSON object."""
    return f"{json.dumps(name)}: {json.dumps(value)}"
