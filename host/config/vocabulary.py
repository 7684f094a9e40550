"""Knows the key paths a file may have, and which of them somebody meant."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterable, Sequence

from .jsonc import KeyPath


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is spelled most like this one, compared without case; None when none is close."""
    spellings = {each.lower(): each for each in known}
    near = difflib.get_close_matches(word.lower(), spellings, 1, 0.7)
    return spellings[near[0]] if near else None


class Vocabulary:
    """All key paths that a file may have; they are gathered when the first unknown key is met."""

    def __init__(self, paths: Callable[[], Iterable[KeyPath]]) -> None:
        self._gather = paths

    @functools.cached_property
    def _paths(self) -> list[tuple[KeyPath, list[str]]]:
        return [(path, [str(part).lower() for part in path]) for path in self._gather()]

    @functools.cached_property
    def _names(self) -> set[str]:
        return {folded[-1] for _, folded in self._paths}

    def __contains__(self, key: str) -> bool:
        """Whether a key of this name is known anywhere."""
        return key.lower() in self._names

    def meant(self, path: KeyPath, local: Sequence[str]) -> list[KeyPath]:
        """The key paths that the unknown `path` may stand for; `local` are the keys known in its object."""
        belongs = self._belongs(path)
        if belongs:
            return belongs
        key = str(path[-1])
        here = nearest(key, local)
        if here:
            return [(*path[:-1], here)]
        near = difflib.get_close_matches(key.lower(), sorted(self._names), 1, 0.8)
        return self._belongs((*path[:-1], near[0])) if near else []

    def _belongs(self, path: KeyPath) -> list[KeyPath]:
        """Where a key of exactly this name belongs: of several places those that share most with `path`."""
        *around, name = (str(part).lower() for part in path)
        places = [
            (len(set(around) & set(folded[:-1])), known)
            for known, folded in self._paths
            if folded[-1] == name
        ]
        most = max((shared for shared, _ in places), default=0)
        return [known for shared, known in places if shared == most][:3]
