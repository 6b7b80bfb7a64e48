"""What there is to configure, from the model itself: a commented file and the reference page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import tomli_w
from pydantic import BaseModel, BeforeValidator, PlainSerializer
from pydantic.fields import FieldInfo

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
    schema = FacilityConfig.model_json_schema()
    for table, field in FacilityConfig.model_fields.items():
        model = field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            properties = schema["$defs"][model.__name__]["properties"]
            keys = [
                _key(table, name, info, properties[name])
                for name, info in model.model_fields.items()
            ]
            yield table, (model.__doc__ or "").strip(), keys


def _key(table: str, name: str, info: FieldInfo, schema: dict[str, Any]) -> Key:
    default = "" if info.examples else _toml(_default(info))
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
    return "{}" if value == {} else tomli_w.dumps({"x": value}).removeprefix("x = ").strip()


def _type(info: FieldInfo, schema: dict[str, Any]) -> str:
    readers = {one.func for one in info.metadata if isinstance(one, BeforeValidator)}
    if parse_duration in readers:
        return "duration"
    if parse_size in readers:
        return "size"
    if "enum" in schema:
        return " or ".join(f'"{value}"' for value in schema["enum"])
    if len(get_args(info.annotation)) == 2 and type(None) in get_args(info.annotation):
        return "path"
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


def page() -> str:
    """Return the reference page in Markdown."""
    lines = [
        "# Configuration",
        "",
        'Made from the model by `make docs`. Durations are written `"10m"`, sizes `"2 GiB"`.',
        "",
    ]
    for table, description, keys in tables():
        lines += [f"## [{table}]", "", description, "", "| key | type | default | meaning |"]
        lines.append("| --- | --- | --- | --- |")
        for key in keys:
            default = f"`{key.default}`" if key.default else ""
            meaning = key.description.replace("|", "\\|")
            lines.append(f"| `{key.name}` | {key.type} | {default} | {meaning} |")
        lines.append("")
    lines += [
        "## [backends.NAME]",
        "",
        str(FacilityConfig.model_fields["backends"].description),
        "",
    ]
    return "\n".join(lines)
