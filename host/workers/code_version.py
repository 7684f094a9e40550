"""Which state of a function's code it is that a worker runs: a hash of its files."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from ...triggers.descriptor import FunctionDescriptor

#: Hexadecimal digits of a version.
DIGITS = 12

#: Files from this size on, in bytes, count by size and time: they are data rather than code.
_LARGE = 1024 * 1024

#: Files that are looked at for one function at most.
_MOST_FILES = 1000


def code_versions(functions: Iterable[FunctionDescriptor]) -> dict[str, str]:
    """The version of each function, by its name. Those of one script have one version. Never raises."""
    known: dict[tuple[Path, ...], str] = {}
    versions = {}
    for function in functions:
        files = _files(function)
        if files not in known:
            known[files] = _hash(files)
        versions[function.name] = known[files]
    return versions


def _files(function: FunctionDescriptor) -> tuple[Path, ...]:
    """A function of its own folder is made of what lies there; decorated ones of the script, and the file they stand in."""
    script = function.script_file
    if function.decorated:
        other = script.parent / function.file if function.file else script
        return tuple(sorted({script, other}))
    try:
        found = [path for path in function.directory.rglob("*") if _counts(path)]
    except OSError:
        found = []
    return tuple(sorted({script, *found})[:_MOST_FILES])


def _counts(path: Path) -> bool:
    return "__pycache__" not in path.parts and path.is_file()


def _hash(files: Iterable[Path]) -> str:
    digest = sha256()
    for path in files:
        digest.update(f"{path.name}\0".encode("utf-8", "surrogateescape"))
        try:
            status = path.stat()
            is_large = status.st_size >= _LARGE
            content = f"{status.st_size} {status.st_mtime_ns}".encode() if is_large else path.read_bytes()
        except OSError as error:
            content = type(error).__name__.encode()
        digest.update(sha256(content).digest())
    return digest.hexdigest()[:DIGITS]
