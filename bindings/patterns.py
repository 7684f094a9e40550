"""Path patterns that trigger: which blobs and files a function is for, and what their names tell."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .expressions import Expression, ExpressionError, Template
from .names import blob_name, container_name

_WILDCARD = re.compile(r"[*{]")
_GLOB = re.compile(r"(\*\*/|\*\*|\*)")
_GLOBS = {"**/": "(?:[^/]+/)*", "**": ".+", "*": "[^/]*"}


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A blob trigger's ``container/pattern``: each ``{name}`` takes any text, slashes included, even none."""

    #: In lower case.
    container: str
    #: What every matching blob's name starts with.
    prefix: str
    _names: tuple[str, ...]
    _compiled: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> PathPattern:
        """Read a pattern; a container alone is for all its blobs. Raises `BindingError`."""
        container, _, blob = text.partition("/")
        if _WILDCARD.search(container):
            raise ExpressionError(f"The container in '{text}' has to be a plain name.")
        parts = Template.parse(blob).parts
        _check_literal(parts)
        expression, names = _translate(parts or Template.parse("{any}").parts, "(.*)")
        prefix = parts[0] if parts and isinstance(parts[0], str) else ""
        return cls(container_name(container), prefix, names if parts else (), expression)

    def match(self, name: str) -> dict[str, str] | None:
        """What the braces took from the name of a blob (without its container); None when it does not match."""
        found = self._compiled.fullmatch(name)
        return dict(zip(self._names, found.groups(), strict=False)) if found else None


@dataclass(frozen=True, slots=True)
class FilePattern:
    """A file trigger's path: ``{name}`` and ``*`` take text within one part, a part ``**`` any number of folders."""

    #: The folder to look in, as it is written (relative to the app root, or absolute); ``.`` for the app root.
    root: str
    #: Whether files below `root`'s own level can match.
    recursive: bool
    _names: tuple[str, ...]
    _compiled: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> FilePattern:
        """Read a pattern. Raises `ExpressionError`."""
        segments = text.replace("\\", "/").split("/")
        if not segments[-1]:
            raise ExpressionError(
                f"'{text}' does not name a file; end it with a file name or a pattern such as *.csv."
            )
        fixed = next(
            (i for i, segment in enumerate(segments) if _WILDCARD.search(segment)), len(segments) - 1
        )
        tail = segments[fixed:]
        if any(segment in ("", ".", "..") for segment in tail):
            raise ExpressionError(f"'{text}' has an empty part, '.' or '..' after its first wildcard.")
        if any("**" in segment and segment != "**" for segment in tail):
            raise ExpressionError(f"In '{text}' there must be nothing but '**' between two slashes.")
        expression, names = _translate(Template.parse("/".join(tail)).parts, "([^/]+)", globs=True)
        root = "/".join(segments[:fixed]) or ("/" if fixed else ".")
        return cls(root, len(tail) > 1 or tail == ["**"], names, expression)

    def match(self, relative_path: str) -> dict[str, str] | None:
        """What the braces took from a path relative to `root`, with slashes; None when it does not match."""
        found = self._compiled.fullmatch(relative_path)
        return dict(zip(self._names, found.groups(), strict=True)) if found else None


def _check_literal(parts: tuple[str | Expression, ...]) -> None:
    """A pattern that only a name outside its container could match is a mistake."""
    if parts:
        blob_name("".join(part if isinstance(part, str) else "x" for part in parts))


def _translate(
    parts: tuple[str | Expression, ...], capture: str, *, globs: bool = False
) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """The regular expression for a pattern, and the names of its groups, in order."""
    names: list[str] = []
    regex = ""
    for part in parts:
        if isinstance(part, str):
            regex += _translate_globs(part) if globs else re.escape(part)
            continue
        name = ".".join(part.path)
        if len(part.path) > 1 or part.form:
            raise ExpressionError(f"{{{name}}} cannot capture a part of a path; use a single name.")
        if name.lower() in (each.lower() for each in names):
            raise ExpressionError(f"{{{name}}} is used twice in the path; give each part a name of its own.")
        names.append(name)
        regex += capture
    return re.compile(regex, re.DOTALL), tuple(names)


def _translate_globs(text: str) -> str:
    return "".join(_GLOBS.get(piece) or re.escape(piece) for piece in _GLOB.split(text))
