"""What there is to configure, from the model itself: a commented file and the reference page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

import tomli_w
from pydantic import BaseModel, BeforeValidator, PlainSerializer
from pydantic.fields import FieldInfo

from casita.backend import Backend
from casita.config.model import FacilityConfig
from casita.units import parse_duration, parse_size


@dataclass(frozen=True)
class Key:
    """One key of ``casita.toml``."""

    table: str
    name: str
    type: str
    default: str
    """As written in TOML; "" when there is none or when it depends on the machine."""
    example: str
    """As written in TOML; the default where there is one."""
    description: str


def tables() -> Iterator[tuple[str, str, list[Key]]]:
    """Yield (name, description, keys) of every table of the core."""
    for table, field in FacilityConfig.model_fields.items():
        model = field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            yield table, _about(model), _keys(table, model)


def _about(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip()


def _keys(table: str, model: type[BaseModel]) -> list[Key]:
    properties = model.model_json_schema()["properties"] if model.model_fields else {}
    return [_key(table, name, info, properties[name]) for name, info in model.model_fields.items()]


def _inner(table: str, model: type[BaseModel]) -> Iterator[tuple[str, str, list[Key]]]:
    """Yield the tables within a table: one, one for each name, or a list of them."""
    for name, info in model.model_fields.items():
        for one, path in _models(info.annotation, f"{table}.{name}"):
            yield path, _about(one), _keys(path, one)


def _models(annotation: Any, path: str) -> Iterator[tuple[type[BaseModel], str]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, path
    origin = get_origin(annotation)
    for one in get_args(annotation):
        yield from _models(one, f"{path}.NAME" if origin is dict else path)


def _key(table: str, name: str, info: FieldInfo, schema: dict[str, Any]) -> Key:
    none = info.is_required() or _default(info) is None
    default = "" if info.examples or none else _toml(_default(info))
    example = _toml(info.examples[0]) if info.examples else default
    return Key(table, name, _type(info, schema), default, example, info.description or "")


def _default(info: FieldInfo) -> Any:
    value = info.get_default(call_default_factory=True, validated_data={})
    for metadata in info.metadata:
        if isinstance(metadata, PlainSerializer):
            writer: Any = metadata.func
            value = writer(value)
    return value


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    if isinstance(value, dict) and value:
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    return "{}" if value == {} else tomli_w.dumps({"x": value}).removeprefix("x = ").strip()


def _type(info: FieldInfo, schema: dict[str, Any]) -> str:
    readers = {one.func for one in info.metadata if isinstance(one, BeforeValidator)}
    if parse_duration in readers:
        return "duration"
    if parse_size in readers:
        return "size"
    if "enum" in schema:
        return " or ".join(f'"{value}"' for value in schema["enum"])
    choices = [one for one in get_args(info.annotation) if one is not type(None)]
    if choices == [Path]:
        return "path"
    if "type" not in schema and len(choices) == 1:
        plain = {bool: "boolean", int: "size"}.get(get_origin(choices[0]) or choices[0])
        return plain or ("size" if get_origin(choices[0]) else "table")
    name = str(schema.get("type", ""))
    return {"object": "table", "array": "list"}.get(name, name)


def commented() -> str:
    """Return a casita.toml in which every key is written out as a comment."""
    lines = ["# casita.toml: every key at its default. Uncomment what you change.", ""]
    for table, description, keys in tables():
        lines += [f"# {description}", f"[{table}]"]
        for key in keys:
            lines.append(f"# {key.description}")
            lines.append(f"# {key.name} = {key.example}")
        lines.append("")
    return "\n".join(lines)


def page(backends: Mapping[str, Backend]) -> str:
    """Return the reference page in Markdown."""
    lines = [
        "# Configuration",
        "",
        'Made from the model by `make docs`. Durations are written `"10m"`, sizes `"2 GiB"`.',
        "",
    ]
    for table, description, keys in tables():
        lines += _section(f"## [{table}]", description, keys)
        model: Any = FacilityConfig.model_fields[table].annotation
        for inner in _inner(table, model):
            lines += _section(f"### [{inner[0]}]", inner[1], inner[2])
    about = str(FacilityConfig.model_fields["backends"].description)
    lines += ["## [backends.NAME]", "", about, ""]
    for name, backend in backends.items():
        path, model = f"backends.{name}", backend.config
        if model.model_fields:
            lines += _section(f"## [{path}]", _about(model), _keys(path, model))
            for inner in _inner(path, model):
                lines += _section(f"### [{inner[0]}]", inner[1], inner[2])
    return "\n".join(lines)


def _section(heading: str, description: str, keys: list[Key]) -> list[str]:
    lines = [heading, "", description, "", "| key | type | default | meaning |"]
    lines.append("| --- | --- | --- | --- |")
    for key in keys:
        default = f"`{key.default}`" if key.default else ""
        meaning = key.description.replace("|", "\\|")
        lines.append(f"| `{key.name}` | {key.type} | {default} | {meaning} |")
    return [*lines, ""]
