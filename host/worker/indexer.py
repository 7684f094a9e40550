"""Finds the functions that decorators define in the app's one script (python-model, section 3, v2)."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from .errors import LoadError, describe, user_traceback
from .imports import importing
from .source import code_of, file_of, line_of

#: What Azure's worker takes for the intervals of an exponential back-off that a decorator leaves out.
_INTERVALS = {"minimumInterval": "00:00:00", "maximumInterval": "24855.03:14:07"}

#: Strategies of the decorator `retry`, as function.json calls them.
_STRATEGIES = {"fixed_delay": "fixedDelay", "exponential_backoff": "exponentialBackoff"}


@dataclass(frozen=True, slots=True)
class DecoratedFunction:
    """One function of the script."""

    name: str
    call: Callable[..., Any]
    #: What a function.json would hold.
    document: dict[str, Any]

    @property
    def described(self) -> dict[str, Any]:
        """As an `indexed` frame names it."""
        code = code_of(self.call)
        return {
            "name": self.name,
            "directory": os.path.dirname(file_of(self.call)),
            "file": code.co_filename if code else "",
            "line": line_of(code) if code else None,
            "entryPoint": getattr(self.call, "__name__", self.name),
            "document": self.document,
        }


@functools.cache
def index(script: str, root: str) -> Mapping[str, DecoratedFunction] | LoadError:
    """The functions of the script by their names, or why there are none. It is imported once in a process, and
    its app asked once: a second time would complain about names that are taken."""
    shown = os.path.relpath(script, root)
    try:
        functions = _functions(_app(_import(script, root, shown), shown), shown)
    except LoadError as error:
        return error
    return {function.name: function for function in functions}


def decorated_function(name: str, script: str, root: str) -> DecoratedFunction:
    """One function of the script. Raises `LoadError`."""
    found = index(script, root)
    if isinstance(found, LoadError):
        raise found
    if name not in found:
        raise LoadError(f"{os.path.relpath(script, root)} did not define {name!r} this time.")
    return found[name]


def _import(script: str, root: str, shown: str) -> ModuleType:
    """The script as the top-level module that its other modules import it as."""
    name = os.path.splitext(os.path.basename(script))[0]
    present = sys.modules.get(name)
    if present is not None:
        raise LoadError(
            f"{shown}: a module {name!r} is already imported, from "
            f"{getattr(present, '__file__', None) or 'Python itself'}. "
            "Rename the script and set PYTHON_SCRIPT_FILE_NAME to its new name."
        )
    spec = importlib.util.spec_from_file_location(name, script)
    assert spec is not None and spec.loader is not None, "its name ends with .py"
    module = importlib.util.module_from_spec(spec)
    with importing(shown, root):
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(name, None)
            raise
    return module


def _app(module: ModuleType, shown: str) -> Any:
    """The one function app of the script. As in Azure it is counted by its names."""
    package = sys.modules.get("azure.functions")
    registers = getattr(package, "FunctionRegister", ())
    names = [name for name, value in vars(module).items() if isinstance(value, registers)]
    if len(names) == 1:
        return getattr(module, names[0])
    if names:
        raise LoadError(
            f"{shown} has {len(names)} function apps: {', '.join(names)}. Keep one; put functions of other modules "
            "into func.Blueprint() and call app.register_functions(blueprint)."
        )
    blueprints = [
        name for name, value in vars(module).items() if isinstance(value, getattr(package, "Blueprint", ()))
    ]
    only = (
        f" ({', '.join(blueprints)} is a Blueprint, which has to be registered with one)"
        if blueprints
        else ""
    )
    raise LoadError(f"{shown} has no function app{only}. Add `app = func.FunctionApp()` at its top level.")


def _functions(app: Any, shown: str) -> list[DecoratedFunction]:
    try:
        with _own_logs():
            return [_decorated(function) for function in app.get_functions()]
    except Exception as error:
        raise LoadError(f"{shown}: {describe(error)}", user_traceback(error)) from None


@contextmanager
def _own_logs() -> Iterator[None]:
    """Has what the package logs by the root logger pass as its own: it warns, of every app without HTTP functions,
    that it has no auth level. What the app logs stays the app's."""
    package = os.path.dirname(sys.modules["azure.functions"].__file__ or "")

    def mark(record: logging.LogRecord) -> bool:
        if record.pathname.startswith(package + os.sep):
            record.name = "azure.functions"
        return True

    root = logging.getLogger()
    root.addFilter(mark)
    try:
        yield
    finally:
        root.removeFilter(mark)


def _decorated(function: Any) -> DecoratedFunction:
    document: dict[str, Any] = {"bindings": [json.loads(text) for text in function.get_raw_bindings()]}
    retry = function.get_settings_dict("retry_policy")
    if retry:
        document["retry"] = _retry(retry)
    return DecoratedFunction(function.get_function_name(), function.get_user_function(), document)


def _retry(setting: Mapping[str, Any]) -> dict[str, Any]:
    """The decorator's words as function.json has them."""
    said = {_camel(key): value for key, value in setting.items() if value is not None}
    said.pop("settingName", None)
    strategy = _STRATEGIES.get(str(said.get("strategy")).lower(), said.get("strategy"))
    return {**(_INTERVALS if strategy == "exponentialBackoff" else {}), **said, "strategy": strategy}


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
