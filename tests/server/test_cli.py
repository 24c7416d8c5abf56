"""The command line as a whole: help with an example everywhere, errors in one line."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from server.cli import app

ROOT = get_command(app)


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that can be called, with the words that call it."""
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        here = (*path, name)
        if hasattr(command, "list_commands"):
            yield from commands(command, here)
        else:
            yield here, command


ALL = dict(commands(ROOT))


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "server.cli", *words], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_has_help_with_an_example(words: tuple[str, ...]) -> None:
    said = ALL[words].help or ""
    assert "Example: " in said
    assert f"msl {' '.join(words)}" in said


def test_the_rooms_of_this_issue_are_there() -> None:
    firsts = {words[0] for words in ALL}
    assert firsts >= {"migrate", "work", "lab", "site", "node", "registry", "settings"}


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("nope",), 2, "No such command 'nope'"),
        (
            ("migrate", "--dsn", "postgresql://nobody@127.0.0.1:1/x"),
            1,
            "msl: database: connection failed",
        ),
        (
            ("lab", "list", "--settings", "/nowhere.toml"),
            1,
            "msl: settings file /nowhere.toml can't be read: No such file or directory",
        ),
    ],
    ids=["unknown", "no database", "no settings file"],
)
def test_what_goes_wrong_is_said_in_one_line(
    words: tuple[str, ...], code: int, message: str
) -> None:
    done = run(*words)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
