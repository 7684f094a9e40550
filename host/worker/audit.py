"""Notices which invocation opens files for writing in watched folders.

So the host can tell a function that writes into its own pattern from one whose folder others fill. Switched on
only for apps that have a file trigger, since every audit event of the interpreter then costs a call.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

#: Events whose second argument is the path of what is put in place.
_MOVES = ("os.rename", "os.link", "os.symlink")

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class WriteAudit:
    """Calls `wrote` with the absolute path of each file that is opened for writing, or moved, into its folders."""

    def __init__(self, wrote: Callable[[str], None]) -> None:
        self._wrote = wrote
        self._prefixes: tuple[str, ...] = ()

    def watch(self, folders: Iterable[str]) -> None:
        """Watch these folders too."""
        first = not self._prefixes
        more = {os.path.join(folder, "") for folder in folders}
        self._prefixes = tuple({*self._prefixes, *more})
        if first and self._prefixes:
            sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            writes = any(letter in mode for letter in "wax+") if isinstance(mode, str) else flags & _WRITES
        elif event in _MOVES:
            path, writes = arguments[1], True
        else:
            return
        if writes and not isinstance(path, int):
            # Whatever is wrong with the path, the call itself will tell.
            with contextlib.suppress(OSError, TypeError, ValueError):
                absolute = os.path.abspath(os.fsdecode(path))
                if absolute.startswith(self._prefixes):
                    self._wrote(absolute)
