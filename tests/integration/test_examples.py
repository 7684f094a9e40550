"""The packages in examples/: they install, keep to what is public, pass their tests, and are what the documents show."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution
from importlib.util import find_spec
from pathlib import Path

import pytest
from third_party import ROOT, SPOOL, installed

EXTENDING = ROOT / "docs" / "extending.md"

#: An excerpt: a line that links to its file, and the block that follows.
_EXCERPT = re.compile(
    r"^From \[[^\]]*\]\(\.\./(examples/[^)]+)\)[^\n]*:\n\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL
)

#: Stands in a block for what is left out.
_LEFT_OUT = re.compile(r"^ *# …\n", re.MULTILINE)


def excerpts() -> list[tuple[str, str]]:
    return _EXCERPT.findall(EXTENDING.read_text())


def public_modules() -> set[str]:
    return set(re.findall(r"`(funchost\.(?:bindings|triggers)\.\w+)`", EXTENDING.read_text()))


def imports(file: Path) -> set[str]:
    """The modules that a file imports from, its own package left out."""
    nodes = ast.walk(ast.parse(file.read_text()))
    return {
        node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level
    }


def test_the_example_passes_its_tests_and_our_suites(tmp_path: Path) -> None:
    environment = {**os.environ, **installed(SPOOL, tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(SPOOL)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    passed = re.search(r"(\d+) passed", ended.stdout)
    assert passed and int(passed[1]) > 100, "its own tests, and those of queues and blobs"


def test_its_entry_points_are_found_and_lead_to_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(SPOOL, tmp_path)
    monkeypatch.syspath_prepend(str(SPOOL / "src"))
    [found] = Distribution.discover(name="funchost-spool", path=[str(tmp_path)])
    names = {entry.name: entry.load().__name__ for entry in found.entry_points}
    assert names == {"spool": "SpoolStorage", "lineTrigger": "LineTrigger"}


def test_it_asks_for_this_version_of_funchost() -> None:
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    theirs = tomllib.loads((SPOOL / "pyproject.toml").read_text())["project"]
    major, minor, *_ = map(int, ours["version"].split("."))
    assert f"funchost>={major}.{minor},<{major}.{minor + 1}" in theirs["dependencies"]
    assert theirs["requires-python"] == ours["requires-python"]


def test_it_imports_nothing_of_funchost_that_the_document_does_not_call_public() -> None:
    used = {module for file in (SPOOL / "src").rglob("*.py") for module in imports(file)}
    ours = {module for module in used if module.split(".")[0] == "funchost"}
    assert ours
    assert ours <= public_modules()


def test_what_the_document_calls_public_is_there() -> None:
    for module in public_modules():
        assert find_spec(module), module


def test_the_document_shows_what_the_files_hold() -> None:
    assert excerpts()
    for file, block in excerpts():
        text, end = (ROOT / file).read_text(), 0
        for piece in _LEFT_OUT.split(block):
            place = text.find(piece.strip("\n"), end)
            assert place >= 0, f"{file} does not hold:\n{piece}"
            end = place + len(piece.strip("\n"))


def test_every_file_of_the_example_is_checked() -> None:
    files = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["files"]
    for example in filter(Path.is_dir, (ROOT / "examples").iterdir()):
        assert {f"examples/{example.name}/src", f"examples/{example.name}/tests"} <= set(files)
