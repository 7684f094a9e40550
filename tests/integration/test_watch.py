"""Change events, the kernel's word on who writes, and what a scanner does where there are none."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from funchost.triggers.file_stability import being_written
from funchost.triggers.scan import Scanner
from funchost.triggers.watch import Hints, Remove, Watch


class _Gathered:
    """Hints as they come, and a wait for what they should hold in the end."""

    def __init__(self) -> None:
        self.hints = Hints()
        self.news = asyncio.Event()

    def take(self, hints: Hints) -> None:
        self.hints.add(hints)
        self.news.set()

    async def until(self, done: Callable[[Hints], bool]) -> None:
        async with asyncio.timeout(5):
            while not done(self.hints):
                self.news.clear()
                await self.news.wait()


class _Nothing:
    """A source without content that counts its scans."""

    recursive = True
    recorded = 0.0

    def __init__(self, folder: str | None) -> None:
        self.folder = folder
        self.scans = 0
        self.scanned = asyncio.Event()

    async def load(self) -> None:
        pass

    async def scan(self) -> str:
        self.scans += 1
        self.scanned.set()
        return "listening"

    async def look(self, hints: Hints) -> None:
        pass

    def next_look(self) -> float | None:
        return None


async def test_a_change_is_told_and_the_end_of_writing_with_it(tmp_path: Path) -> None:
    gathered = _Gathered()
    remove = await Watch().add(str(tmp_path), gathered.take)
    file = tmp_path / "a.txt"
    with file.open("w") as writing:
        await gathered.until(lambda hints: str(file) in hints.files)
        assert str(file) not in gathered.hints.closed
        writing.write("1")
    await gathered.until(lambda hints: str(file) in hints.closed)
    await remove()


async def test_reading_is_no_change(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("1")
    gathered = _Gathered()
    remove = await Watch().add(str(tmp_path), gathered.take)
    file.read_text()
    (tmp_path / "b.txt").write_text("2")
    await gathered.until(lambda hints: str(tmp_path / "b.txt") in hints.closed)
    assert str(file) not in gathered.hints.files
    await remove()


async def test_both_names_of_a_renamed_file_are_told(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    gathered = _Gathered()
    remove = await Watch().add(str(tmp_path), gathered.take)
    (tmp_path / "a").rename(tmp_path / "b")
    await gathered.until(lambda hints: {str(tmp_path / "a"), str(tmp_path / "b")} <= hints.files)
    await remove()


async def test_two_can_watch_one_folder_and_one_of_them_stop(tmp_path: Path) -> None:
    watch, first, second = Watch(), _Gathered(), _Gathered()
    remove_first = await watch.add(str(tmp_path), first.take)
    remove_second = await watch.add(str(tmp_path), second.take)
    (tmp_path / "a").touch()
    await first.until(lambda hints: str(tmp_path / "a") in hints.files)
    await second.until(lambda hints: str(tmp_path / "a") in hints.files)
    await remove_first()
    await remove_first()
    (tmp_path / "b").touch()
    await second.until(lambda hints: str(tmp_path / "b") in hints.files)
    assert str(tmp_path / "b") not in first.hints.files
    await remove_second()


async def test_nothing_runs_while_nothing_is_watched(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    watch = Watch()
    remove = await watch.add(str(tmp_path), lambda hints: None)
    assert len(set(threading.enumerate()) - before) > 1
    await remove()
    left = {thread for thread in set(threading.enumerate()) - before if "asyncio" not in thread.name}
    assert left == set()


async def test_a_watched_folder_that_is_deleted_is_lost_and_can_be_added_again(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    watch, gathered, again = Watch(), _Gathered(), _Gathered()
    remove = await watch.add(str(folder), gathered.take)
    folder.rmdir()
    await gathered.until(lambda hints: hints.lost)
    folder.mkdir()
    remove_again = await watch.add(str(folder), again.take)
    (folder / "a").touch()
    await again.until(lambda hints: str(folder / "a") in hints.files)
    await remove()
    await remove_again()


async def test_a_missing_folder_cannot_be_watched(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await Watch().add(str(tmp_path / "none"), lambda hints: None)


async def test_where_watching_is_refused_it_is_told_once_and_scanned_each_second(tmp_path: Path) -> None:
    class Refusing(Watch):
        async def add(
            self, folder: str, callback: Callable[[Hints], None], *, recursive: bool = True
        ) -> Remove:
            raise OSError(28, "inotify watch limit reached")

    told: list[str] = []
    source = _Nothing(str(tmp_path))
    scanner = Scanner(source, watch=Refusing(), interval=None, report=told.append)
    await scanner.start()
    async with asyncio.timeout(5):
        while source.scans < 2:
            source.scanned.clear()
            await source.scanned.wait()
    await scanner.stop()
    assert len(told) == 1
    assert "scanned every 1 s" in told[0]
    assert "fs.inotify.max_user_watches" in told[0]


@pytest.mark.parametrize(
    ("kind", "often"), [("nfs4", True), ("fuse.sshfs", True), ("virtiofs", True), ("ext4", False)]
)
async def test_where_other_machines_write_it_is_scanned_each_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, often: bool
) -> None:
    monkeypatch.setattr("funchost.triggers.scan.mount_type", lambda path: kind)
    monkeypatch.setattr("funchost.triggers.scan.network_type", lambda path: kind if kind == "nfs4" else None)
    source = _Nothing(str(tmp_path))
    scanner = Scanner(source, watch=Watch(), interval=None, report=lambda message: None)
    await scanner.start()
    try:
        async with asyncio.timeout(1.5):
            while source.scans < 2:
                source.scanned.clear()
                await source.scanned.wait()
    except TimeoutError:
        pass
    await scanner.stop()
    assert (source.scans >= 2) is often


async def test_a_scan_that_fails_is_told_once_and_repeated(tmp_path: Path) -> None:
    class Failing(_Nothing):
        async def scan(self) -> str:
            await super().scan()
            if self.scans < 4:
                raise OSError(5, "Input/output error")
            return "listening"

    told: list[str] = []
    source = Failing(None)
    scanner = Scanner(source, watch=Watch(), interval=0.01, report=told.append)
    await scanner.start()
    async with asyncio.timeout(5):
        while source.scans < 5:
            source.scanned.clear()
            await source.scanned.wait()
    assert scanner.state == "listening"
    await scanner.stop()
    assert len(told) == 1
    assert "Input/output error" in told[0]


@pytest.mark.parametrize("looks", [True, False])
async def test_a_scanner_rests_after_much_looking_and_not_after_much_recording(looks: bool) -> None:
    class Slow(_Nothing):
        recorded = 0.0 if looks else 0.1

        async def scan(self) -> str:
            began.append(asyncio.get_running_loop().time())
            await asyncio.sleep(0.1)
            return await super().scan()

    began: list[float] = []
    source = Slow(None)
    scanner = Scanner(source, watch=Watch(), interval=0.01, report=lambda message: None)
    await scanner.start()
    async with asyncio.timeout(5):
        while source.scans < 2:
            source.scanned.clear()
            await source.scanned.wait()
    await scanner.stop()
    rested = began[1] - began[0] >= 0.4  # as long as it looked, and three times that
    assert rested is looks


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who writes")
def test_the_kernel_tells_whether_a_file_is_open_for_writing(tmp_path: Path) -> None:
    file = tmp_path / "a"
    with file.open("w"):
        assert being_written(str(file)) is True
    with file.open("r"):
        assert being_written(str(file)) is False
    assert being_written(str(tmp_path / "none")) is None
    writer = subprocess.Popen(
        [sys.executable, "-c", f"f = open({str(file)!r}, 'a'); print('open', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    assert being_written(str(file)) is True
    writer.communicate(b"\n")
    assert being_written(str(file)) is False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who writes")
def test_asking_while_a_writer_opens_the_file_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.touch()
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            with file.open("w"):
                pass

    writer = threading.Thread(target=write)
    writer.start()
    answers = {being_written(str(file)) for _ in range(2000)}
    stop.set()
    writer.join()
    assert answers <= {True, False}
    assert being_written(str(file)) is False


async def test_a_scanner_stops_also_when_a_hint_comes_with_the_stop(tmp_path: Path) -> None:
    class Handing(Watch):
        callback: Callable[[Hints], None]

        async def add(
            self, folder: str, callback: Callable[[Hints], None], *, recursive: bool = True
        ) -> Remove:
            self.callback = callback

            async def remove() -> None:
                pass

            return remove

    watch, source = Handing(), _Nothing(str(tmp_path))
    scanner = Scanner(source, watch=watch, interval=10, report=lambda message: None)
    await scanner.start()
    async with asyncio.timeout(5):
        await source.scanned.wait()
        await asyncio.to_thread(lambda: None)  # now it sleeps
        watch.callback(Hints(files={str(tmp_path / "a")}))
        await scanner.stop()
