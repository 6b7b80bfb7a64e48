"""What commands share, the facility's and the backends': options, and how answers are printed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel
from rich.table import Table

from casita.errors import CasitaError
from casita.units import parse_duration

StateOption = Annotated[
    Path | None,
    typer.Option(
        "--state",
        envvar="CASITA_STATE",
        help="State directory of the facility meant.",
        show_default="your own",
    ),
]
ConnectionOption = Annotated[
    Path | None,
    typer.Option(
        "--state",
        envvar="CASITA_STATE",
        help="State directory of the facility meant.",
        show_default="the one last logged in to",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
DetachOption = Annotated[
    bool, typer.Option("--detach", "-d", help="Return at once; it goes on at the facility.")
]


def seconds(option: str, text: str) -> int:
    """Return the seconds that an option's value means, e.g. ``"10m"``.

    Raises
    ------
    CasitaError
        It is no duration; the message names the option.
    """
    try:
        return parse_duration(text)
    except ValueError as error:
        raise CasitaError(f"{option} {error}") from None


def print_json(content: BaseModel | Sequence[BaseModel]) -> None:
    """Print a model or a list of them, for scripts."""
    if isinstance(content, BaseModel):
        typer.echo(content.model_dump_json(indent=2))
    else:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in content], indent=2))


def new_table(*columns: str, numbers: Iterable[str] = ()) -> Table:
    """Return an empty table; its last column is the longest, and is folded where it must be."""
    made = Table(box=None, pad_edge=False)
    for column in columns:
        made.add_column(
            column,
            justify="right" if column in numbers else "left",
            no_wrap=column != columns[-1],
            overflow="fold",
        )
    return made


def minute(moment: float | None) -> str:
    """Return a moment (Unix time, seconds) in UTC, to the minute; "" for none."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M") if moment else ""
