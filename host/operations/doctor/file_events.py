"""Whether the system tells of changed files where the app is: tried with a file."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ....bindings.filesystem import mount_type
from ....triggers.watch import Hints, Watch
from .check import Check, ok, skipped, warning
from .patient import Patient, aside

NAME = "file events"

#: Seconds in which a change should be told, where changes are told at all.
_LIMIT = 4.0

_FIX = "Files are found by looking at all of them now and then (scanInterval). Restart the host after changes of code."


async def check(patient: Patient) -> Iterable[Check]:
    """Write a file in a hidden folder beside the app's own, and wait to be told."""
    try:
        folder = await aside(lambda: tempfile.mkdtemp(prefix=".funchost-doctor-", dir=patient.root))
    except OSError as error:
        return [skipped(NAME, f"No file can be written in {patient.root} to try it with: {error.strerror}.")]
    try:
        return [await _try(Path(folder))]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _try(folder: Path) -> Check:
    told = asyncio.Event()

    def on_hints(hints: Hints) -> None:
        told.set()

    kind = mount_type(folder) or "unknown"
    loop = asyncio.get_running_loop()
    try:
        remove = await Watch().add(str(folder), on_hints)
    except OSError as error:
        return warning(
            NAME,
            f"The system watches no more folders ({error.strerror or error}).",
            f"Raise fs.inotify.max_user_watches and max_user_instances. {_FIX}",
        )
    began = loop.time()
    try:
        await aside(lambda: (folder / "changed.txt").write_text("changed"))
        async with asyncio.timeout(_LIMIT):
            await told.wait()
    except TimeoutError:
        return warning(NAME, f"No event within {_LIMIT:g} s of a change (file system {kind}).", _FIX)
    finally:
        await remove()
    return ok(NAME, f"A change is told after {1000 * (loop.time() - began):.0f} ms (file system {kind}).")
