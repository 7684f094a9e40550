"""What `funchost init` and `funchost new` write: the files of an empty app, and a first version of a function."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

from ...bindings.errors import ConfigurationError
from ..app.discovery import DEFAULT_SCRIPT
from . import templates, templates_decorated

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,127}", re.IGNORECASE)


def init_app(directory: Path, *, decorated: bool = False) -> list[Path]:
    """Make `directory` an app; returns the files made. What is already there is kept as it is.

    With `decorated` it is one in the v2 model: a script whose decorators define the functions.

    Raises `ConfigurationError` when `directory` is a file.
    """
    if directory.exists() and not directory.is_dir():
        raise ConfigurationError(f"{directory} is a file, an app needs a folder: choose another name.")
    files = {directory / name: text for name, text in templates.APP.items()}
    if decorated:
        files[directory / DEFAULT_SCRIPT] = templates_decorated.SCRIPT
    return _write({path: text for path, text in files.items() if not path.exists()})


def new_function(root: Path, name: str, trigger: str) -> list[Path]:
    """Write the function `name` with a trigger of this kind, such as ``queue``; returns the files written.

    It is added to the app's script where it has one. Else it goes into the folder `functions` of the app root
    where there is one, else into the root itself. Raises `ConfigurationError` for a name that cannot be used or
    is taken, for a script that cannot be read, and for an unknown trigger.
    """
    template = templates.FUNCTIONS.get(trigger)
    if template is None:
        raise ConfigurationError(
            f"There is no template for {trigger!r}: choose one of {', '.join(templates.FUNCTIONS)}."
        )
    _check_name(name, trigger)
    script = root / DEFAULT_SCRIPT
    if script.is_file():
        _add_to_script(script, name, trigger)
        return [script]
    _check_free(root, name)
    folder = (root / "functions" if (root / "functions").is_dir() else root) / name
    return _write({folder / file: text for file, text in template(name).items()})


def _check_name(name: str, trigger: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is not a valid function name: a letter first, then letters, digits, - and _, "
            "128 characters at most."
        )
    if name.lower() == "host":
        raise ConfigurationError("'host' is not a valid function name: choose another.")
    if trigger == "http" and name.lower().startswith(("admin", "runtime")):
        raise ConfigurationError(
            f"An HTTP function cannot be called {name!r}: URLs that begin with admin or runtime are the host's."
        )


def _check_free(root: Path, name: str) -> None:
    """Names are compared without case, as the host compares them."""
    for parent in (root, root / "functions"):
        for entry in parent.iterdir() if parent.is_dir() else ():
            if entry.name.lower() == name.lower():
                raise ConfigurationError(
                    f"{entry} is already there: choose another name, or remove it first."
                )


def _add_to_script(script: Path, name: str, trigger: str) -> None:
    text = script.read_text(encoding="utf-8")
    try:
        module = ast.parse(text)
    except SyntaxError as error:
        raise ConfigurationError(f"{script}, line {error.lineno}: {error.msg}. Fix it first.") from None
    if name.lower() in (taken.lower() for taken in _names(module)):
        raise ConfigurationError(f"{script} has a function {name!r} already: choose another name.")
    call = re.sub(r"\W", "_", name)
    call = f"{call}_" if keyword.iskeyword(call) else call
    code = templates_decorated.FUNCTIONS[trigger](name, call)
    if call != name:
        code = f'@app.function_name("{name}")\n{code}'
    code = code.replace("@app.", f"@{_app_name(module)}.")
    text = _with_imports(text, module, _missing_imports(module, code))
    script.write_text(f"{text.rstrip()}\n\n\n{code}".lstrip(), encoding="utf-8", newline="\n")


def _names(module: ast.Module) -> Iterator[str]:
    """Everything in the script that may be a function's name."""
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "function_name":
            given = [*node.args, *(each.value for each in node.keywords)]
            yield from (str(each.value) for each in given if isinstance(each, ast.Constant))


def _app_name(module: ast.Module) -> str:
    """What the script calls its function app."""
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            made = ast.unparse(node.value.func).rpartition(".")[2]
            if made in ("FunctionApp", "DFApp") and isinstance(node.targets[0], ast.Name):
                return node.targets[0].id
    return "app"


def _missing_imports(module: ast.Module, code: str) -> list[str]:
    """The imports that the code needs beside those of the script."""
    there = {
        (alias.name, alias.asname or alias.name)
        for node in module.body
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    needed = {
        ("logging", "logging"): "import logging",
        ("azure.functions", "func"): "import azure.functions as func",
    }
    return [line for key, line in needed.items() if key not in there and f"{key[1]}." in code]


def _with_imports(text: str, module: ast.Module, imports: list[str]) -> str:
    """The script with these imports behind those that it begins with, else behind its docstring."""
    if not imports:
        return text
    lines = text.split("\n")
    first = 1 if ast.get_docstring(module, clean=False) is not None else 0
    head = list(takewhile(lambda node: isinstance(node, ast.Import | ast.ImportFrom), module.body[first:]))
    if head:
        place = head[-1].end_lineno or 0
        return "\n".join([*lines[:place], *imports, *lines[place:]])
    place = (module.body[0].end_lineno or 0) if first else _first_line(lines)
    return "\n".join([*lines[:place], *([""] if first else []), *imports, "", *lines[place:]])


def _first_line(lines: list[str]) -> int:
    """How many lines of comments a script begins with: `#!`, the encoding, a licence."""
    return sum(1 for _ in takewhile(lambda line: line.startswith("#"), lines))


def _write(files: dict[Path, str]) -> list[Path]:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Exclusive, so that a file that came meanwhile is not lost either.
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    return list(files)
