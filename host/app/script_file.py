"""Which file holds a function's code (functions-semantics, section 1.3)."""

from __future__ import annotations

import os
from pathlib import Path

from ...bindings.errors import ConfigurationError


def find_script(directory: Path, root: Path, named: str | None) -> Path:
    """The absolute path of the function's script: the `named` one, or what the folder leaves no doubt about.

    Raises `ConfigurationError` whose message says what to do.
    """
    script = _named(directory, root, named) if named else _inferred(directory)
    if script.suffix.lower() != ".py":
        raise ConfigurationError(f"The script '{script.name}' is not Python; only .py files can be run.")
    return script


def _named(directory: Path, root: Path, named: str) -> Path:
    # By its text, not through links: a folder that is linked into the app is part of it.
    script = Path(os.path.normpath(directory / named.replace("\\", "/")))
    if not script.is_relative_to(os.path.normpath(root)):
        raise ConfigurationError(f"The script '{named}' lies outside the app's folder; move it inside.")
    if not script.is_file():
        raise ConfigurationError(f"The script '{named}' does not exist; create it, or correct the path.")
    return script


def _inferred(directory: Path) -> Path:
    files = sorted(each for each in directory.iterdir() if each.is_file() and each.name != "function.json")
    if len(files) == 1:
        return files[0]
    runs = [each for each in files if each.stem.lower() == "run"]
    runs.sort(key=lambda each: each.suffix != ".py")
    init = [each for each in files if each.name == "__init__.py"]
    if runs or init:
        return (runs or init)[0]
    scripts = ", ".join(each.name for each in files if each.suffix == ".py")
    if not scripts:
        raise ConfigurationError("The folder has no script; add __init__.py.")
    raise ConfigurationError(f"It is not clear which script to run; name one of {scripts} in 'scriptFile'.")
