"""Where the code of a function is said to be."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from funchost.host.worker.source import code_of, line_of, place_of

_SCRIPT = """\
import functools


def kept(function):
    @functools.wraps(function)
    def call(*args):
        return function(*args)

    return call


def plain(): ...


@kept
@kept
def decorated(): ...


@functools.lru_cache(
    maxsize=1,
)
async def long(): ...


class Handler:
    @staticmethod
    def method(): ...

    def __call__(self): ...


short = lambda: 0
"""


def imported(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location("script_of_the_test", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plain", "def plain"),
        ("decorated", "def decorated"),
        ("long", "async def long"),
        ("short", "short = lambda"),
    ],
)
def test_the_line_is_that_of_the_def(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / "function_app.py"
    file.write_text(_SCRIPT)
    number = next(n for n, line in enumerate(_SCRIPT.splitlines(), 1) if line.startswith(text))

    assert place_of(getattr(imported(file), name), str(file), str(tmp_path)) == f"function_app.py:{number}"


def test_a_method_is_found_too(tmp_path: Path) -> None:
    file = tmp_path / "function_app.py"
    file.write_text(_SCRIPT)

    assert place_of(imported(file).Handler.method, str(file), str(tmp_path)).startswith("function_app.py:2")


@pytest.mark.parametrize("folder", ["../elsewhere", ".venv/lib/python3/site-packages/durable"])
def test_what_a_package_made_is_placed_in_the_script_of_the_app(tmp_path: Path, folder: str) -> None:
    app, script = tmp_path / "app", tmp_path / "app" / "function_app.py"
    (app / folder).mkdir(parents=True)
    file = (app / folder).resolve() / "package.py"
    file.write_text(_SCRIPT)

    assert place_of(imported(file).decorated, str(script), str(app)) == "function_app.py"


def test_what_has_no_code_of_its_own_is_placed_in_the_script(tmp_path: Path) -> None:
    file = tmp_path / "function_app.py"
    file.write_text(_SCRIPT)

    assert place_of(imported(file).Handler(), str(file), str(tmp_path)) == "function_app.py"
    assert place_of(print, str(file), str(tmp_path)) == "function_app.py"


def test_without_the_source_it_is_the_line_that_python_knows(tmp_path: Path) -> None:
    file = tmp_path / "function_app.py"
    file.write_text(_SCRIPT)
    code = code_of(imported(file).decorated)
    file.unlink()

    assert code is not None and line_of(code) == code.co_firstlineno
