"""`logging.logLevel` of host.json: the least level for each category, by the longest prefix that matches."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

#: Azure's levels, and what they are here. None shows nothing.
_LEVELS = {
    "trace": 0,
    "debug": 10,
    "information": 20,
    "warning": 30,
    "error": 40,
    "critical": 50,
    "none": 100,
}
_OURS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


class LogLevels:
    """Says whether a line of a category is shown. Categories are Azure's: ``Function.<Name>.User`` and the like."""

    def __init__(self, configured: Mapping[str, str]) -> None:
        self._default = 0
        self._prefixes: list[tuple[str, int]] = []
        for category, level in configured.items():
            if category.lower() == "default":
                self._default = _LEVELS[level.lower()]
            else:
                self._prefixes.append((category.lower(), _LEVELS[level.lower()]))
        self._prefixes.sort(key=lambda entry: -len(entry[0]))
        self._least = lru_cache(maxsize=4096)(self._find)

    def shows(self, category: str, level: str) -> bool:
        """Whether a line of this level is wanted."""
        return _OURS.get(level, 20) >= self._least(category)

    def _find(self, category: str) -> int:
        name = category.lower()
        for prefix, least in self._prefixes:
            if name == prefix or name.startswith(f"{prefix}."):
                return least
        return self._default
