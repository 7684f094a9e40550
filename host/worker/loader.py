"""Finds a function's script, imports it as ``__app__.FOLDER.FILE``, and picks its entry point."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from .asgi_function import AsgiFunction, wrapped_app
from .errors import LoadError
from .fallback import HostPackages
from .http_extension import ExtensionFunction, serves
from .imports import NAMESPACE, importing
from .indexer import decorated_function
from .signature import examine
from .source import place_of
from .values import LoadedFunction, Through

__all__ = ["LoadedFunction", "load", "prepare"]

#: A folder in here counts as if it stood in the app root.
_FUNCTIONS = "functions"

_PACKAGES = (".python_packages", "lib", "site-packages")


def prepare(root: str, fallback: str | None = None) -> None:
    """Make this process the app's: its packages first, its own modules last, and its root to work in.

    `fallback` is where azure.functions is found if the app's environment has none.
    """
    packages = os.path.join(root, *_PACKAGES)
    if os.path.isdir(packages) and packages not in sys.path:
        sys.path.insert(0, packages)
    if root not in sys.path:
        # Last, so that an installed package wins over a folder of the same name.
        sys.path.append(root)
    if fallback:
        sys.meta_path.append(HostPackages(fallback))
    os.chdir(root)
    spec = ModuleSpec(NAMESPACE, None, is_package=True)
    spec.submodule_search_locations = [root, os.path.join(root, _FUNCTIONS)]
    sys.modules[NAMESPACE] = importlib.util.module_from_spec(spec)


def load(function: Mapping[str, Any], root: str) -> LoadedFunction:
    """Import and check one function (as in a `load` frame), after `prepare`. Raises `LoadError`."""
    script = os.path.normpath(function["scriptFile"])
    shown = os.path.relpath(script, root)
    if function["decorated"]:
        call = decorated_function(function["name"], script, root).call
    else:
        call = _entry_point(_import(script, root, shown), function["entryPoint"] or "main", shown)
    try:
        return LoadedFunction(function, call, examine(function, call), _through(function, call))
    except LoadError as error:
        raise LoadError(f"{place_of(call, script, root)}: {error}", error.traceback) from None


def _through(function: Mapping[str, Any], call: Callable[..., Any]) -> Through | None:
    """The web framework that stands between the worker and the function, if one does."""
    if serves(function):
        return ExtensionFunction(call, function["trigger"]["name"])
    app = wrapped_app(call)
    return AsgiFunction(app, function["trigger"]["name"]) if app else None


def _import(script: str, root: str, shown: str) -> ModuleType:
    name = _module_name(script, root, shown)
    with importing(shown, root):
        module = importlib.import_module(name)
    _check_file(module, script, root, shown)
    return module


def _module_name(script: str, root: str, shown: str) -> str:
    """``__app__.FOLDER.FILE``; without the last part for ``__init__.py``, which would run twice otherwise."""
    if not os.path.isfile(script):
        raise LoadError(f"The script {shown} does not exist. Correct scriptFile in function.json.")
    path = Path(shown)
    if path.suffix != ".py":
        raise LoadError(
            f"The script {shown} is not a Python file (.py). Correct scriptFile in function.json."
        )
    if path.is_absolute() or path.parts[0] == os.pardir:
        raise LoadError(f"The script {script} is outside of the app, {root}. Move it into the app.")
    parts = [*path.parts[:-1], path.stem]
    if parts[0] == _FUNCTIONS and len(parts) > 1:
        del parts[0]
    if parts[-1] == "__init__":
        del parts[-1]
    if any("." in part for part in parts):
        raise LoadError(
            f"The script {shown} cannot be imported: rename the folder or file with a dot in its name."
        )
    return ".".join([NAMESPACE, *parts])


def _check_file(module: ModuleType, script: str, root: str, shown: str) -> None:
    """Of two folders of one name, in the app root and in functions/, only one can be had."""
    found = module.__file__
    if found is None or not os.path.samefile(found, script):
        other = os.path.relpath(found, root) if found else "a folder of the same name"
        raise LoadError(f"The script {shown} is hidden by {other}. Rename one of the two.")


def _entry_point(module: ModuleType, name: str, shown: str) -> Callable[..., Any]:
    callables = [
        key
        for key, value in vars(module).items()
        if callable(value)
        and getattr(value, "__module__", None) == module.__name__
        and not key.startswith("_")
    ]
    if not hasattr(module, name):
        near = get_close_matches(name, callables, n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        there = ", ".join(map(repr, callables)) or "no function at all"
        raise LoadError(
            f"{shown}: there is no entry point {name!r}; the script has {there}.{guess} "
            "Define it, or set entryPoint in function.json."
        )
    call: Any = getattr(module, name)
    if not callable(call):
        raise LoadError(
            f"{shown}: the entry point {name!r} is of type {type(call).__name__} and cannot be called. Define it with "
            "`def` or `async def`, or set entryPoint in function.json."
        )
    return call  # type: ignore[no-any-return]
