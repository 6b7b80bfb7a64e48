"""Write the pages of docs/reference/ that come from the code, or check that they are current.

    python tools/docs.py [--check]

Configuration comes from the model of casita.toml, commands from the command line itself.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from casita.backend import load_backends
from casita.cli import build
from casita.config.reference import page

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
EXAMPLE = re.compile(r"Example: `(.+?)`")
COMMON = ("help", "install_completion", "show_completion")
"""Options that are described once, at the top of the page."""
VALUES: Mapping[Any, str] = {int: "NUMBER", Path: "PATH"}
"""What stands for an option's value that names nothing itself."""


def main() -> None:
    """Write the pages, or with ``--check`` name those that are not current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if old")
    check = parser.parse_args().check
    old = list(outdated())
    for name in [] if check else old:
        (REFERENCE / name).write_text(PAGES[name]())
    for name in old:
        print(f"docs/reference/{name} {'is not current: `make docs`' if check else 'written'}")
    if not old:
        print(f"{len(PAGES)} generated pages are current")
    sys.exit(bool(check and old))


def outdated() -> Iterator[str]:
    """Yield the names of generated pages that are missing or differ from what is made now."""
    for name, make in PAGES.items():
        path = REFERENCE / name
        if not path.is_file() or path.read_text() != make():
            yield name


# ---- the command line


def tree() -> Any:
    """Return the root of the command line; its ``commands`` are commands and groups."""
    return typer.main.get_command(build())


def walk(command: Any, words: tuple[str, ...] = ("casita",)) -> Iterator[tuple[str, Any]]:
    """Yield (``casita data list``, command) of a command and all below it."""
    yield " ".join(words), command
    for name, inner in subcommands(command).items():
        yield from walk(inner, (*words, name))


def subcommands(command: Any) -> Mapping[str, Any]:
    """Return the commands of a group by name; {} of a command."""
    return getattr(command, "commands", {})


def commands() -> str:
    """Return the page of commands."""
    every = [(words, one) for words, one in walk(tree()) if words != "casita"]
    lines = [
        "# Commands",
        "",
        "Made from the command line itself by `make docs`. Every command takes `--help`; "
        "`casita --install-completion` teaches your shell to complete all of this.",
        "",
        "Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted. Errors are one line on "
        "stderr and, where something can be done about it, a second line that starts with `hint:`.",
        "",
        *table(("command", "does"), (_entry(words, one) for words, one in every)),
    ]
    for words, one in every:
        lines += ["", *_section(words, one)]
    return "\n".join(lines) + "\n"


def _entry(words: str, command: Any) -> tuple[str, str]:
    summary, _, _ = _help(command)
    return f"[`{words}`](#{words.replace(' ', '-')})", summary


def _help(command: Any) -> tuple[str, str, list[str]]:
    """Return (first sentences, further text, examples) of a command's help."""
    paragraphs = [" ".join(one.split()) for one in (command.help or "").split("\n\n")]
    examples = [example for one in paragraphs for example in EXAMPLE.findall(one)]
    rest = [one for one in paragraphs[1:] if not EXAMPLE.fullmatch(one)]
    return paragraphs[0], "\n\n".join(rest), examples


def _section(words: str, command: Any) -> Iterator[str]:
    summary, rest, examples = _help(command)
    yield f"{'#' * (words.count(' ') + 1)} {words}"
    yield ""
    yield summary
    if subcommands(command):
        return
    if rest:
        yield f"\n{rest}"
    yield f"\n```text\n{words} {' '.join(_usage(command))}".rstrip() + "\n```"
    rows = [_row(one) for one in _parameters(command)]
    if rows:
        yield ""
        yield from table(("argument or option", "default", "meaning"), rows)
    if examples:
        yield "\n```sh\n" + "\n".join(examples) + "\n```"


def _parameters(command: Any) -> list[Any]:
    return [one for one in command.params if one.name not in COMMON]


def _usage(command: Any) -> Iterator[str]:
    parameters = _parameters(command)
    if any(_is_option(one) for one in parameters):
        yield "[OPTIONS]"
    for one in parameters:
        if not _is_option(one):
            name = _argument(one) + ("..." if one.nargs == -1 else "")
            yield name if one.required else f"[{name}]"


def _is_option(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "option")


def _argument(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _row(parameter: Any) -> tuple[str, str, str]:
    meaning = parameter.help or ""
    if not _is_option(parameter):
        return f"`{_argument(parameter)}`", _default(parameter), meaning
    names = [*parameter.opts, *parameter.secondary_opts]
    value = "" if parameter.is_flag else f" {_value(parameter)}"
    if parameter.envvar:
        meaning += f" Environment: `{parameter.envvar}`."
    return ", ".join(f"`{one}{value}`" for one in names), _default(parameter), meaning


def _value(parameter: Any) -> str:
    kind = parameter.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "|".join(str(one.value) for one in kind)
    return str(parameter.metavar or VALUES.get(kind, "TEXT"))


def _default(parameter: Any) -> str:
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    value = getattr(parameter.default, "value", parameter.default)
    if parameter.required or value in (None, "", False) or callable(value):
        return ""
    return "yes" if value is True else f"`{value}`"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    head = list(head)
    for row in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


PAGES: Mapping[str, Callable[[], str]] = {
    "configuration.md": lambda: page(load_backends()),
    "commands.md": commands,
}
"""What makes each generated page."""


if __name__ == "__main__":
    main()
