"""A command that asks, run to its end at a terminal where somebody has typed the answers already."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from e2e.terminal import Terminal


def at_terminal(
    *arguments: str | Path, typed: str = "", columns: int = 80, env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Its exit code, and all that the terminal showed."""
    with Terminal(*arguments, columns=columns, env=env) as terminal:
        terminal.type(typed)
        code = terminal.end()
        return code, terminal.screen
