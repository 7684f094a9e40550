"""The files that say where hosts are: whole, and gone with their host, whatever happens meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from funchost.host import runtime
from funchost.host.runtime import Runtime, RuntimeFile, running_hosts

#: No process has it.
NOBODY = 2**22 + 1


def entry(number: int) -> Runtime:
    return Runtime(
        pid=os.getpid(),
        url=f"http://host-{number}",
        version="1",
        root="/app",
        functions=[],
        started=str(number),
    )


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "hosts").mkdir()
    for owner in ("one", "two"):
        (tmp_path / "hosts" / f"{owner}.lock").touch()
    return tmp_path


def current(store: Path) -> str:
    return msgspec.json.decode((store / "runtime.json").read_bytes(), type=Runtime).url


def test_the_name_passes_on_to_a_host_that_still_runs(store: Path) -> None:
    one, two = RuntimeFile(store, "one"), RuntimeFile(store, "two")
    one.write(entry(1))
    two.write(entry(2))
    assert current(store) == "http://host-2"
    two.remove()
    assert current(store) == "http://host-1"
    one.remove()
    assert running_hosts(store) == []
    assert not (store / "runtime.json").exists()


def test_what_a_host_left_that_was_killed_while_it_wrote_is_removed_by_the_next(store: Path) -> None:
    left = [store / f".runtime.json.{NOBODY}", store / "hosts" / f".two.json.{NOBODY}"]
    being_written = store / "hosts" / f".two.json.{os.getpid()}"
    for path in (*left, being_written):
        path.touch()
    RuntimeFile(store, "one").write(entry(1))
    assert [path.exists() for path in left] == [False, False]
    assert being_written.exists()


def test_a_disk_without_room_leaves_nothing_half_written_and_ends_no_end(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = RuntimeFile(store, "one"), RuntimeFile(store, "two")
    one.write(entry(1))
    two.write(entry(2))

    def full(path: str, flags: int) -> int:
        # Of the files of a disk without room the name can often still be made.
        os.close(os.open(path, flags, 0o600))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runtime, "private_opener", full)
    with pytest.raises(OSError, match="No space"):
        one.write(entry(3))
    two.remove()
    assert [host.url for host in running_hosts(store)] == ["http://host-1"]
    assert [path.name for path in store.rglob(".*")] == []
