"""Notices that the app's code or configuration changed, and waits until whoever changes it is done."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta
from pathlib import Path

from ..triggers.polling import BackOff
from ..triggers.watch import Hints, Remove, Watch

#: After the last change, how long until it counts as complete, in seconds. Editors and version control write
#: several files in a row.
QUIET = 0.1

#: The longest pause before a change that could not be brought into service is tried again.
LONGEST_PAUSE = timedelta(seconds=30)

#: Files that matter wherever they are.
CODE = (".py",)
NAMES = frozenset({"function.json", "host.json", "local.settings.json", "requirements.txt"})

#: Folders that never hold the app's own code.
_IGNORED = frozenset({"__pycache__", "node_modules", "venv", "env", "build", "dist"})

#: Folders watched one by one; an app with more is watched as a whole, its environment included.
_MOST_FOLDERS = 48


class CodeWatch:
    """Calls `changed` after each change that a new generation of workers is needed for."""

    def __init__(
        self,
        root: Path,
        watch: Watch,
        changed: Callable[[], Awaitable[None]],
        report: Callable[[str], None],
        *,
        directories: Collection[str] = (),
        files: Collection[str] = (),
    ) -> None:
        self._root = root
        self._watch = watch
        self._changed = changed
        self._report = report
        self._directories = {name.lower() for name in directories}
        self._names = NAMES | {name.lower() for name in files}
        self._removes: dict[str, Remove] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Watch from now on."""
        await self._watch_folders()
        self._task = asyncio.create_task(self._run(), name="code-watch")

    async def stop(self) -> None:
        """Watch no longer."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for remove in self._removes.values():
            await remove()
        self._removes.clear()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            while self._wake.is_set():
                self._wake.clear()
                await asyncio.sleep(QUIET)
            await self._bring_in()

    async def _bring_in(self) -> None:
        """Have the change taken in; where that fails, as on a full disk, again until it does not or there is another."""
        pauses, told = BackOff(LONGEST_PAUSE), ""
        while not self._wake.is_set():
            try:
                await self._watch_folders()
                await self._changed()
            except Exception as error:
                if str(error) != told:
                    told = str(error)
                    self._report(f"The changed code could not be brought into service yet: {error}")
            else:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pauses.next().total_seconds())

    async def _watch_folders(self) -> None:
        """Watch the app root, and all that is below its folders of code."""
        folders = [str(path) for path in self._root.iterdir() if path.is_dir() and self._matters(path.name)]
        wanted = {str(self._root): False, **dict.fromkeys(folders, True)}
        if len(folders) > _MOST_FOLDERS:
            wanted = {str(self._root): True}
        for folder in set(self._removes) - set(wanted):
            await self._removes.pop(folder)()
        for folder in set(wanted) - set(self._removes):
            try:
                self._removes[folder] = await self._watch.add(
                    folder, self._on_hints, recursive=wanted[folder]
                )
            except FileNotFoundError:
                continue
            except OSError as error:
                self._report(f"{folder} cannot be watched ({error}); restart the host after a change there.")

    def _matters(self, name: str) -> bool:
        return not name.startswith(".") and name.lower() not in _IGNORED

    def _on_hints(self, hints: Hints) -> None:
        paths = hints.files | hints.folders
        if hints.everywhere or hints.lost or any(self._is_code(path) for path in paths):
            self._wake.set()
        if hints.lost:
            # The folder may come back as another one: watch that.
            self._removes.pop(str(self._root), None)

    def _is_code(self, path: str) -> bool:
        try:
            parts = Path(path).relative_to(self._root).parts
        except ValueError:
            return False
        if not all(self._matters(part) for part in parts[:-1]):
            return False
        name = parts[-1].lower()
        if name.startswith("."):
            return False
        if parts[0].lower() in self._directories or name in self._names or name.endswith(CODE):
            return True
        # A folder that came, went or got another name may be a function.
        in_place = len(parts) == 1 or (len(parts) == 2 and parts[0] == "functions")
        return in_place and self._matters(name) and "." not in name
