"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
