"""Finds azure.functions where the app's own environment has none: then the host's copy has to do.

Only that package and what it stands on are found there, never anything else that the host has installed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_FUNCTIONS = "azure.functions"
_NEEDED = ("werkzeug", "markupsafe")


class HostPackages(MetaPathFinder):
    """The last of the finders; `folder` is where the host's own packages are installed."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where the module is; None for all but those few."""
        if fullname == "azure":
            empty = ModuleSpec("azure", None, is_package=True)
            empty.submodule_search_locations = []
            return empty
        if fullname == _FUNCTIONS:
            found = PathFinder.find_spec(fullname, [os.path.join(self._folder, "azure")])
            if found:
                logging.getLogger("funchost").warning(
                    "The app's environment has no azure-functions; the host's own copy is used. Install what "
                    "requirements.txt names into it."
                )
            return found
        return PathFinder.find_spec(fullname, [self._folder]) if fullname in _NEEDED else None
