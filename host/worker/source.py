"""Where the code of a function is, as people look for it."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import os
from collections.abc import Callable
from types import CodeType
from typing import Any


def file_of(call: Callable[..., Any]) -> str:
    """The file that defines it, or its class."""
    try:
        return os.path.abspath(inspect.getfile(call))
    except TypeError:
        return os.path.abspath(inspect.getfile(type(call)))


def code_of(call: Callable[..., Any]) -> CodeType | None:
    """Its code, below what decorators put around it; None for what is not written in Python."""
    code = getattr(inspect.unwrap(call), "__code__", None)
    return code if isinstance(code, CodeType) else None


def line_of(code: CodeType) -> int:
    """The line of its `def`. Python itself counts from the first decorator on."""
    return _lines(code.co_filename).get(code.co_firstlineno, code.co_firstlineno)


def place_of(call: Callable[..., Any], script: str, root: str) -> str:
    """``file:line``, relative to the app; the `script` alone for what a package made."""
    code = code_of(call)
    file = os.path.relpath(code.co_filename, root) if code else os.pardir
    parts = file.split(os.sep)
    if code is None or parts[0] == os.pardir or "site-packages" in parts:
        return os.path.relpath(script, root)
    return f"{file}:{line_of(code)}"


@functools.cache
def _lines(file: str) -> dict[int, int]:
    """For each decorated function of a file: the line of its first decorator, and of its `def`."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError, RecursionError):
        return {}
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {node.decorator_list[0].lineno: node.lineno for node in functions if node.decorator_list}
