"""Write the TypeScript types of what the Jupyter server sends to JupyterLab's panel.

    python tools/typescript.py [--check]

They come from the pydantic models, by way of their JSON schemas, so that browser and server can't
disagree.  With ``--check`` nothing is written; status 1 says that a file is out of date.
"""

from __future__ import annotations

import ast
import re
import sys
from importlib import import_module
from inspect import getsource
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {
    "casita.jupyter.models": "facility",
    "casita_cache.models": "cache",
    "casita_clusters.models": "clusters",
    "casita_columns.models": "columns",
}
"""Module of models, and folder of extensions/lab/src that has its types."""
SHARED = "casita.jupyter.models"
"""What the others may refer to."""
HEADER = "// Made by tools/typescript.py from {module}; change that and run `make models`.\n"
NAMES = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean"}


def main() -> None:
    """Write or check every file."""
    check = sys.argv[1:] == ["--check"]
    stale = []
    for module, folder in SOURCES.items():
        path = ROOT / "extensions" / "lab" / "src" / folder / "models.ts"
        text = types_of(module)
        if check and (not path.exists() or path.read_text() != text):
            stale.append(str(path.relative_to(ROOT)))
        elif not check:
            path.write_text(text)
    if stale:
        sys.exit(f"out of date: {', '.join(stale)}\nhint: make models")


def types_of(module: str) -> str:
    """Return the TypeScript interfaces of all public models of a module."""
    models = [
        one
        for one in vars(import_module(module)).values()
        if isinstance(one, type)
        and issubclass(one, BaseModel)
        and one.__module__ == module
        and not one.__name__.startswith("_")
    ]
    _, schema = models_json_schema([(one, "serialization") for one in models])
    parts = [interface(one.__name__, schema["$defs"][one.__name__], one) for one in models]
    others = ", ".join(sorted(schema["$defs"].keys() - {one.__name__ for one in models}))
    shared = [f"import {{ {others} }} from '../{SOURCES[SHARED]}/models';\n"] if others else []
    return "\n".join([HEADER.format(module=module), *shared, *parts])


def interface(name: str, schema: dict[str, Any], model: type[BaseModel]) -> str:
    """Return one interface, with what is said of the class and of its fields."""
    said = sentences(model)
    lines = [comment(model.__doc__, ""), f"export interface {name} {{"]
    for field, one in schema["properties"].items():
        lines += [comment(said.get(field), "  "), f"  {field}: {type_of(one)};"]
    return "\n".join([line for line in lines if line] + ["}", ""])


def sentences(model: type[BaseModel]) -> dict[str, str]:
    """Return the string below each field, also inherited, which Python itself does not keep."""
    found = {}
    bases = reversed(model.__mro__[: model.__mro__.index(BaseModel)])
    for pair in pairwise(line for one in bases for line in body_of(one)):
        match pair:
            case (
                ast.AnnAssign(target=ast.Name(id=field)),
                ast.Expr(value=ast.Constant(value=str(said))),
            ):
                found[field] = said
    return found


def body_of(model: type[BaseModel]) -> list[ast.stmt]:
    """Return the statements of a class."""
    (definition,) = ast.parse(getsource(model)).body
    return getattr(definition, "body", [])


def comment(text: str | None, indent: str) -> str:
    """Return the first paragraph of a docstring as a comment."""
    first = " ".join((text or "").strip().partition("\n\n")[0].split())
    in_typescript = re.sub(r"\bNone\b", "null", first)
    return f"{indent}/** {in_typescript} */" if first else ""


def type_of(schema: dict[str, Any]) -> str:
    """Return the TypeScript type of a JSON schema, as far as our models use it."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " | ".join(type_of(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f"'{one}'" for one in schema["enum"])
    match schema.get("type"):
        case "null":
            return "null"
        case "array":
            inner = type_of(schema["items"])
            return f"({inner})[]" if "|" in inner else f"{inner}[]"
        case "object":
            return "Record<string, unknown>"
        case str(name):
            return NAMES[name]
    return "unknown"


if __name__ == "__main__":
    main()
