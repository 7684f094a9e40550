"""Has somebody edit a content in the editor of their choice."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import msgspec

from ...bindings.private_files import private_opener
from .output import Exit, Failure, talk

#: What is looked for where neither VISUAL nor EDITOR names an editor.
_EDITORS = ("sensible-editor", "vim", "vi", "nano", "notepad")


def check_editable() -> None:
    """Raise `UsageError` where there is nobody who could edit."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("--edit needs a terminal. Without one, give the content: --data.")


def edited(content: bytes) -> bytes | None:
    """The content as somebody leaves it in the editor; None where it was left as it was, or nothing remained.

    What was JSON must be so again, or is not taken. Raises `Failure` where the editor fails, or what was written is
    given up; that stays in a file which is named.
    """
    check_editable()
    is_json = json_error(content) is None
    path = _written(content, _suffix(content, is_json=is_json))
    while True:
        _edit(path)
        result = path.read_bytes()
        # Editors end the last line that had no end.
        if result in (content, content + b"\n") or not result.strip():
            _remove(path)
            return None
        error = json_error(result) if is_json else None
        if error is None:
            _remove(path)
            ends = not content.endswith(b"\n") and result.endswith(b"\n")
            return result[:-1] if ends else result
        talk(f"That is no longer JSON: {error}.")
        if not click.confirm("Edit it again?", default=True, err=True):
            raise Failure(
                f"Nothing is sent. What you wrote is in {path}: --data @{path} sends it.", Exit.FAILED
            )


def _suffix(content: bytes, *, is_json: bool) -> str:
    if is_json:
        return ".json"
    try:
        content.decode()
    except UnicodeDecodeError:
        return ".bin"
    return ".txt"


def json_error(content: bytes) -> str | None:
    """Why it is no JSON; None: it is."""
    try:
        msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return str(error).rstrip(".") or "it is nested too deeply"
    return None


def _written(content: bytes, suffix: str) -> Path:
    path = Path(tempfile.mkdtemp(prefix="funchost-")) / f"input{suffix}"
    with open(path, "wb", opener=private_opener) as file:
        file.write(content)
    return path


def _remove(path: Path) -> None:
    shutil.rmtree(path.parent, ignore_errors=True)


def _edit(path: Path) -> None:
    command = [*shlex.split(_editor()), str(path)]
    try:
        code = subprocess.run(command, check=False).returncode
    except OSError as error:
        _remove(path)
        raise Failure(
            f"The editor '{command[0]}' cannot be started: {error.strerror}.", Exit.FAILED
        ) from None
    if code:
        raise Failure(
            f"The editor '{command[0]}' ended with {code}. Nothing is sent; {path} is left.", Exit.FAILED
        )


def _editor() -> str:
    chosen = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    return chosen or next(filter(shutil.which, _EDITORS), "vi")
