"""`logging.logLevel` of host.json: the least level for each category, by the longest prefix that matches."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

#: Azure's levels on our scale; ``None`` shows nothing.
_CONFIGURED = {
    "trace": 0,
    "debug": 10,
    "information": 20,
    "warning": 30,
    "error": 40,
    "critical": 50,
    "none": 100,
}

#: The levels of our own lines, from the least to the most urgent.
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


class LogLevels:
    """Says whether a line of a category is shown. Categories are Azure's: ``Function.<Name>.User`` and the like.

    A key is compared without case with the beginning of the category, as text; one ``*`` in it stands for anything. Of
    those that match the longest counts, then ``default``. Without that everything is shown.
    """

    def __init__(self, configured: Mapping[str, str]) -> None:
        rules = {key.lower(): _CONFIGURED[level.lower()] for key, level in configured.items()}
        self._default = rules.pop("default", 0)
        #: Beginning, end and least level, the longest key first.
        self._rules = [
            (*_around_star(key), rules[key]) for key in sorted(rules, key=lambda key: len(key), reverse=True)
        ]
        self._least = lru_cache(maxsize=4096)(self._find)

    def shows(self, category: str, level: str) -> bool:
        """Whether a line of this level is wanted; a level that nobody knows counts as information."""
        return LEVELS.get(level, 20) >= self._least(category)

    def _find(self, category: str) -> int:
        name = category.lower()
        for begin, end, least in self._rules:
            if name.startswith(begin) and name.endswith(end):
                return least
        return self._default


def _around_star(key: str) -> tuple[str, str]:
    begin, _, end = key.partition("*")
    return begin, end
