"""What `funchost init` and `funchost new` write: the files of an empty app, and a first version of a function."""

from __future__ import annotations

import re
from pathlib import Path

from ..bindings.errors import ConfigurationError
from . import templates

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,127}", re.IGNORECASE)


def init_app(directory: Path) -> list[Path]:
    """Make `directory` an app; returns the files made. What is already there is kept as it is.

    Raises `ConfigurationError` when `directory` is a file.
    """
    if directory.exists() and not directory.is_dir():
        raise ConfigurationError(f"{directory} is a file, an app needs a folder: choose another name.")
    files = {directory / name: text for name, text in templates.APP.items()}
    return _write({path: text for path, text in files.items() if not path.exists()})


def new_function(root: Path, name: str, trigger: str) -> list[Path]:
    """Write the function `name` with a trigger of this kind, such as ``queue``; returns the files made.

    It goes into the folder `functions` of the app root where there is one, else into the root itself.
    Raises `ConfigurationError` for a name that cannot be used or is taken, and for an unknown trigger.
    """
    template = templates.FUNCTIONS.get(trigger)
    if template is None:
        raise ConfigurationError(
            f"There is no template for {trigger!r}: choose one of {', '.join(templates.FUNCTIONS)}."
        )
    _check_name(name, trigger)
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


def _write(files: dict[Path, str]) -> list[Path]:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Exclusive, so that a file that came meanwhile is not lost either.
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    return list(files)
