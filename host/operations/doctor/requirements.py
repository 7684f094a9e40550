"""Requirements files, as far as they say which packages an app needs, and whether an environment has these."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement

REQUIREMENTS = "requirements.txt"

#: Files that include others are never this deep.
_DEEPEST = 10

_COMMENT = re.compile(r"(?:^|\s)#.*$")
_INCLUDE = re.compile(r"(?:-r|--requirement)[\s=]*(.+)")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Line:
    """One requirement as it is written."""

    file: str
    number: int
    text: str


def same(name: str) -> str:
    """The name of a package in the form in which all its spellings are one."""
    return re.sub(r"[-_.]+", "-", name).lower()


def lines_of(root: Path, file: str = REQUIREMENTS, depth: int = 0) -> Iterator[Line]:
    """The requirements of a file and of those that it includes; options, paths and addresses are left out.

    Raises `OSError` for a file that cannot be read.
    """
    path = root / file
    for number, text in _logical_lines(path.read_text(encoding="utf-8-sig", errors="replace")):
        included = _INCLUDE.fullmatch(text)
        if included and depth < _DEEPEST:
            inner = path.parent / included[1].strip()
            yield from lines_of(
                root, str(inner.relative_to(root) if inner.is_relative_to(root) else inner), depth + 1
            )
        elif _NAME.match(text) and "://" not in text.partition("@")[0] and not _is_path(text):
            yield Line(file, number, text)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, those that end with a backslash put together; each with the number of its first."""
    begun, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        first = first if begun else number
        begun += _COMMENT.sub("", line).strip()
        if begun.endswith("\\"):
            begun = begun[:-1] + " "
            continue
        if begun.strip():
            # Hashes say which file of a package is meant, and nothing of its version.
            yield first, begun.partition(" --")[0].strip()
        begun = ""


def _is_path(text: str) -> bool:
    head = text.partition(";")[0].partition("@")[0].strip()
    return "/" in head or "\\" in head or head.endswith((".whl", ".tar.gz", ".zip"))


def parsed(text: str) -> Requirement | None:
    """The requirement that a text means; None for what is none. Raises `ImportError` without packaging."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def applies(requirement: Requirement, markers: Mapping[str, str]) -> bool:
    """Whether it is meant for an environment with these markers; extras are not asked for."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": "", **markers})


def is_met(requirement: Requirement, version: str) -> bool:
    """Whether that version will do; one that cannot be read is taken on trust."""
    from packaging.version import InvalidVersion

    try:
        return requirement.specifier.contains(version, prereleases=True)
    except InvalidVersion:
        return True
