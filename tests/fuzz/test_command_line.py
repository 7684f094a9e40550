"""Commands with any arguments: an exit code that is documented, words for people, and nothing written elsewhere."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from random import Random

import pytest
from fuzz.fuzzing import ROUNDS, chance, files_of, some

from funchost.host.cli.main import main

_COMMANDS = (
    ("init",), ("new",), ("list",), ("run",), ("queues",), ("queues", "send"), ("queues", "peek"), ("queues", "list"),
    ("queues", "purge"), ("queues", "retry"), ("timers",), ("keys",), ("keys", "list"), ("keys", "renew"), ("emulator",),
    ("version",), ("start",), ("nothing",),
)  # fmt: skip
_OPTIONS = (
    "--json", "--help", "--root", "--store", "--data", "--timeout", "--function", "--delay", "--at", "--ttl", "-n",
    "--all", "--connection", "--trigger", "--v1", "--name", "--port", "--drain-timeout", "--workers", "--cors", "--odd",
    "--", "-", "-x", "--version", "--functions",
)  # fmt: skip
_VALUES = (
    "", " ", "..", "../..", "~", "a", "hello", "jobs", "Jobs--x", "@", "@/nonexistent", "@/etc", "-", "-1", "0", "7",
    "9" * 400, "1e9", "nan", "10s", "-10s", "99999999d", "2030-01-31", "9999-12-31T23:59:59-14:00", "0001-01-01", "\udcff",
    "é" * 300, "a\nb", "\x1b[2J", "%s", "{}", "{0}", "$(id)", "'", '"', "http", "queue", "timer", "host", "con", "*",
    "a/b", "a\\b", "_master", "default", "[1,2", "☃", "\u202e", "=", "--=", "x=y",
)  # fmt: skip

#: As the help of the command says.
_EXITS = {0, 1, 2, 3, 4, 5, 6, 7, 130}


def arguments(luck: Random) -> list[str]:
    """A command with a few arguments; `start` never finds an app, so that it ends."""
    command = luck.choice(_COMMANDS)
    given = [*command, *some(luck, (*_OPTIONS, *_VALUES, *_VALUES), 5)]
    return [*given, "--root", "/nonexistent"] if command == ("start",) else given


def test_any_arguments_end_in_words_and_an_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "outer" / "app"
    root.mkdir(parents=True)
    (root / "host.json").write_text('{"version": "2.0"}')
    monkeypatch.chdir(root)
    luck = chance("commands")
    seen = set()
    for _ in range(250 * ROUNDS):
        given = arguments(luck)
        monkeypatch.setattr(sys, "argv", ["funchost", *given])
        # As the interpreter has them: what cannot be written is an error in a pipe, and shown on a terminal.
        out, err = io.TextIOWrapper(io.BytesIO()), io.TextIOWrapper(io.BytesIO(), errors="backslashreplace")
        for name, stream in (("stdin", io.TextIOWrapper(io.BytesIO(b""))), ("stdout", out), ("stderr", err)):
            monkeypatch.setattr(sys, name, stream)
        try:
            code: object = main()
        except SystemExit as end:
            code = end.code
        told = ""
        for stream in (out, err):
            stream.flush()
            told += stream.buffer.getvalue().decode()
        assert code in _EXITS, given
        assert "Traceback" not in told, given
        seen.add(code)
    assert {0, 2, 3, 5} <= seen
    # What was asked for may be made in the app, and two folders above it only by name.
    assert {path.split("/")[0] for path in files_of(tmp_path)} <= {"outer"}
