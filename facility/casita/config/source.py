"""Reads ``casita.toml`` and says on which line something is wrong.

:mod:`tomllib` gives values without positions, so the lines of tables and keys are found apart;
that is enough to point at a mistake and never decides what a value is.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from casita.errors import ConfigError

_TABLE = re.compile(r"^\s*\[+\s*(?P<path>[^\]]+?)\s*\]+")
_KEY = re.compile(r"^\s*(?P<key>[A-Za-z0-9_.\"'-]+)\s*=")


def read_toml(path: Path) -> tuple[dict[str, Any], str]:
    """Return the parsed document and its text.

    Raises
    ------
    ConfigError
        The file is missing, unreadable or no TOML; file and line are named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file", hint="`casita config init` writes a commented one"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read: {error}") from error
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def line_of(text: str, path: Sequence[str | int]) -> int:
    """Return the 1-based line where ``path`` (or its nearest parent) is written; 1 if nowhere."""
    wanted = [str(part) for part in path]
    best, best_depth, table = 1, 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        if match := _TABLE.match(line):
            table = _split(match["path"])
            here = table
        elif match := _KEY.match(line):
            here = [*table, *_split(match["key"])]
        else:
            continue
        depth = len(here)
        if here == wanted[:depth] and depth > best_depth:
            best, best_depth = number, depth
    return best


def _split(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]


def explain(
    error: ValidationError,
    model: type[BaseModel],
    path: Path,
    text: str,
    table: tuple[str, ...] = (),
) -> ConfigError:
    """Turn pydantic's first complaint into one sentence with file, line, key and remedy.

    Parameters
    ----------
    model
        What was validated.
    table
        Where in the document it stands; empty for the whole document.
    """
    first = error.errors(include_url=False)[0]
    location = [str(part) for part in first["loc"]]
    full = [*table, *location]
    where = f"{path}, line {line_of(text, full)}: {'.'.join(full)}"
    if first["type"] == "extra_forbidden":
        known = _keys_beside(model, location)
        return ConfigError(f"{where} is not a known key", hint=f"known here: {known}")
    if first["type"] == "literal_error":
        return ConfigError(
            f"{where} is {first['input']!r}", hint=f"allowed: {first['ctx']['expected']}"
        )
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        return ConfigError(f"{where}: {message}", hint="`casita config schema` lists the keys")
    return ConfigError(
        f"{where} is {first['input']!r}: {message[:1].lower()}{message[1:]}",
        hint="`casita config schema` lists keys, types and defaults",
    )


def _keys_beside(model: type[BaseModel], location: list[str]) -> str:
    table: type[BaseModel] = model
    for part in location[:-1]:
        if part not in table.model_fields:
            break
        annotation = table.model_fields[part].annotation
        candidates = [annotation, *get_args(annotation)]
        table = next(
            (c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), table
        )
    return ", ".join(sorted(table.model_fields))
