"""What every command has in common: help with an example, and usage errors in a line."""

import re

import pytest
import typer

from casita.cli import build
from casita.testing import casita


def commands(group, path=()):
    """Yield (words, command) of every command below a group."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands(typer.main.get_command(build())))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_a_sentence_and_an_example(words):
    text = COMMANDS[words].help or ""
    first = text.strip().splitlines()[0]
    assert first[0].isupper()
    assert re.search(r"[.:?!]$|[.:] ", first), first
    example = re.search(r"Examples?: `casita ([^`]+)`", text)
    assert example, text
    assert tuple(example[1].split()[: len(words)]) == words


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_options_say_what_they_do(words):
    for option in COMMANDS[words].params:
        assert getattr(option, "help", ""), option.name


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("nonsense",), "No such command 'nonsense'"),
        (("clusters", "nonsense"), "No such command 'nonsense'"),
        (("token", "nonsense"), "No such command 'nonsense'"),
        (("clusters", "list", "--nonsense"), "No such option"),
        (("login",), "Missing argument"),
        (("run",), "Missing argument"),
        (("run", "--"), "Missing argument"),
        (("clusters", "scale", "abc"), "Missing argument"),
        (("clusters", "scale", "abc", "many"), "'workers': Input should be a valid integer"),
        (("clusters", "create", "--workers", "-1"), "'--workers': Input should be greater"),
        (("clusters", "logs", "abc", "-n", "0"), "'--lines' / '-n': Input should be greater"),
    ],
)
def test_wrong_usage_is_status_2_and_no_traceback(words, sentence):
    done = casita(*words, check=False)
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr
    assert "Usage: " in done.stderr
    assert sentence in done.stderr


@pytest.mark.parametrize("words", [(), ("token",), ("clusters",)], ids=" ".join)
def test_a_group_alone_shows_its_commands(words):
    done = casita(*words, check=False)
    shown = done.stdout + done.stderr
    assert "Commands" in shown
    assert "Traceback" not in shown
