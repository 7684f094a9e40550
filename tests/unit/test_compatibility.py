"""docs/compatibility.md: every row names a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_VERDICTS = ("same", "better", "missing")


def rows() -> list[list[str]]:
    text = (_ROOT / "docs" / "compatibility.md").read_text()
    lines = [re.split(r"(?<!\\)\|", line.strip("|")) for line in text.splitlines() if "::" in line]
    return [[cell.strip() for cell in line] for line in lines]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_row_has_a_verdict_and_a_test(row: list[str]) -> None:
    feature, verdict, *_, shown_by = row
    file, _, name = shown_by.partition("::")
    tests = ast.walk(ast.parse((_ROOT / "tests" / file).read_text()))

    assert feature
    assert verdict in _VERDICTS
    assert name in {test.name for test in tests if isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_no_table_row_is_without_a_test() -> None:
    text = (_ROOT / "docs" / "compatibility.md").read_text()
    bare = [line for line in text.splitlines() if line.startswith("| ") and "::" not in line]

    assert all(line.startswith("| feature |") for line in bare)
