"""Classes that other packages bring: they name them as entry points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


@cache
def entry_points_of(group: str, folded: Callable[[str], str] = str) -> Mapping[str, tuple[EntryPoint, ...]]:
    """The entry points of a group by their names, `folded`; several have one name where packages contend for it."""
    from importlib.metadata import entry_points  # 20 ms of import, for the few apps that need it

    found: dict[str, tuple[EntryPoint, ...]] = {}
    for entry in entry_points(group=group):
        name = folded(entry.name)
        found[name] = (*found.get(name, ()), entry)
    return found


def load_class(entry: EntryPoint, base: type[T], needs: Sequence[str] = ()) -> type[T] | str:
    """The subclass of `base`, with the attributes that it `needs`; or why there is none, to be said after a name."""
    try:
        found = entry.load()
    except Exception as error:
        return f"cannot be imported: {error if isinstance(error, ImportError) else repr(error)}"
    if isinstance(found, type) and issubclass(found, base) and all(hasattr(found, name) for name in needs):
        return found
    having = f" that has {' and '.join(needs)}" if needs else ""
    return f"is no subclass of {base.__module__}.{base.__qualname__}{having}"


def contenders(entries: Sequence[EntryPoint]) -> str:
    """What several packages bring under one name, for people."""
    return " and ".join(sorted(entry.value for entry in entries))


def mending(entry: EntryPoint) -> str:
    """What to do about a class that is of no use."""
    package = f"the package {entry.dist.name}" if entry.dist else f"the package of {entry.value}"
    return f"Mend or replace {package} in the host's environment."
