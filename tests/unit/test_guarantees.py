"""docs/guarantees.md: what it promises names tests that exist, and none of the 25 faults is left out."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_TEXT = (_ROOT / "docs" / "guarantees.md").read_text()


def rows() -> list[list[str]]:
    """The cells of each row of a table, without heads and the lines below them."""
    lines = [line for line in _TEXT.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row in cells if row[-1] != "shown by"]


@cache
def names_in(file: str) -> frozenset[str]:
    """The names of the tests of a file."""
    found = ast.walk(ast.parse((_ROOT / "tests" / file).read_text()))
    return frozenset(node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("row", rows(), ids=lambda row: " ".join(row[:-1])[:60])
def test_a_promise_names_a_test_that_exists(row: list[str]) -> None:
    file, _, name = row[-1].partition("::")

    assert name in names_in(file)


def test_each_of_the_faults_has_its_row() -> None:
    numbers = [int(row[0]) for row in rows() if row[0].isdigit()]

    assert numbers == list(range(1, 26))
