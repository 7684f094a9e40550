"""Finds a function that would start itself: a blob output that can write what its own blob trigger is for.

On a storage that costs such a function is refused. On the embedded store it is told and runs, as it does on Azure.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...bindings.errors import BindingError
from ...bindings.expressions import Template
from ...triggers.descriptor import Binding
from ..config.report import Report
from ..config.settings import AppSettings

#: What a path is made of: characters, and None for any text, even none.
_Tokens = list[str | None]


def tell_loops(trigger: Binding, read: Sequence[Binding | None], app: AppSettings, report: Report) -> None:
    """Tell of each of the bindings that writes what starts the function."""
    if trigger.type != "blobTrigger":
        return
    for index, output in enumerate(read):
        if output is None or output.type != "blob" or output.direction != "out":
            continue
        if _leads_alike(trigger, output, app) and can_start(trigger.fields["path"], output.fields["path"]):
            tell = report.warning if trigger.storage == "embedded" else report.error
            tell(
                ("bindings", index, "path"),
                f"The output '{output.name}' can write blobs that the function's own trigger is for "
                f"({trigger.fields['path']}), so that it starts itself again and again.",
                "Write to another container or folder, or narrow the trigger's path until no blob fits both.",
            )


def can_start(watched: str, written: str) -> bool:
    """Whether some blob fits both the path of a trigger and that of an output."""
    container, _, pattern = watched.partition("/")
    other, _, name = written.partition("/")
    try:
        fixed = Template.parse(other).is_literal
        if fixed and container.lower() != other.lower():
            return False
        return _meet(_tokens(pattern) or [None], _tokens(name))
    except BindingError:
        return False  # it has been told what is wrong with it


def _leads_alike(trigger: Binding, output: Binding, app: AppSettings) -> bool:
    one, other = (app.connection(each.fields.get("connection") or "") for each in (trigger, output))
    if one.settings is None or other.settings is None:
        return one.kind == other.kind
    return one.kind == other.kind and one.settings.values == other.settings.values


def _tokens(text: str) -> _Tokens:
    tokens: _Tokens = []
    for part in Template.parse(text).parts:
        tokens += list(part) if isinstance(part, str) else [None]
    return tokens


def _meet(one: _Tokens, other: _Tokens) -> bool:
    """Whether there is a text that both describe."""
    todo, seen = [(0, 0)], {(0, 0)}
    while todo:
        i, j = todo.pop()
        if i == len(one) and j == len(other):
            return True
        for step in _steps(one[i : i + 1], other[j : j + 1]):
            place = (i + step[0], j + step[1])
            if place not in seen:
                seen.add(place)
                todo.append(place)
    return False


def _steps(one: _Tokens, other: _Tokens) -> list[tuple[int, int]]:
    """How far one may go in each, from here; an empty list stands for an end."""
    if one and one == other and one != [None]:
        return [(1, 1)]
    steps = []
    if one == [None]:
        steps.append((1, 0))
    if one == [None] and other:
        steps.append((0, 1))
    if other == [None]:
        steps.append((0, 1))
    if other == [None] and one:
        steps.append((1, 0))
    return steps
