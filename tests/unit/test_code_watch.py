"""Changed code is brought into service once whoever changes it is done, and again where that did not succeed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from funchost.host import code_watch
from funchost.host.code_watch import CodeWatch
from funchost.triggers.watch import Hints


class FakeWatch:
    """Hands out no events; `hints` gives them."""

    def __init__(self) -> None:
        self.hint = lambda hints: None

    async def add(self, folder: str, hint: object, *, recursive: bool) -> object:
        self.hint = hint  # type: ignore[assignment]

        async def remove() -> None:
            pass

        return remove


class Reloads:
    """What the watch calls; fails with each of `errors` first."""

    def __init__(self, *errors: Exception) -> None:
        self._errors: Iterator[Exception] = iter(errors)
        self.calls: asyncio.Queue[None] = asyncio.Queue()

    async def __call__(self) -> None:
        self.calls.put_nowait(None)
        if error := next(self._errors, None):
            raise error


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_watch, "QUIET", 0)


async def changed(root: Path, reloads: Reloads, times: int) -> list[str]:
    """What is told when the code changes once, and is tried to be brought into service so often."""
    told: list[str] = []
    watch = FakeWatch()
    watching = CodeWatch(root, watch, reloads, told.append)  # type: ignore[arg-type]
    await watching.start()
    watch.hint(Hints(files={str(root / "work.py")}))  # type: ignore[no-untyped-call]
    async with asyncio.timeout(5):
        for _ in range(times):
            await reloads.calls.get()
    await watching.stop()
    assert reloads.calls.empty()
    return told


async def test_a_change_is_brought_into_service_once(tmp_path: Path) -> None:
    assert await changed(tmp_path, Reloads(), 1) == []


async def test_a_change_that_could_not_be_brought_into_service_is_tried_again_and_told_once(
    tmp_path: Path,
) -> None:
    full = OSError("No space left on device")
    told = await changed(tmp_path, Reloads(full, full), 3)
    assert told == ["The changed code could not be brought into service yet: No space left on device"]


async def test_another_change_is_not_kept_waiting_by_one_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("funchost.triggers.polling.MINIMUM", code_watch.LONGEST_PAUSE)
    reloads = Reloads(OSError("for ever"))
    watch = FakeWatch()
    watching = CodeWatch(tmp_path, watch, reloads, lambda text: None)  # type: ignore[arg-type]
    await watching.start()
    async with asyncio.timeout(5):
        for _ in range(2):
            watch.hint(Hints(files={str(tmp_path / "work.py")}))  # type: ignore[no-untyped-call]
            await reloads.calls.get()
    await watching.stop()
