"""What is special about blobs that are files: other programs, links, full disks."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from funchost.bindings.errors import BindingError
from funchost.bindings.file_draft import FileDraft
from funchost.bindings.folder_blobs import FolderBlobs


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "store")


def _drop(blobs: FolderBlobs, path: str, content: bytes = b"dropped") -> Path:
    file = blobs.folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


async def _names(blobs: FolderBlobs, container: str) -> list[str]:
    return sorted([info.name async for info in blobs.list(container)])


async def test_a_file_that_another_program_drops_is_a_blob(blobs: FolderBlobs) -> None:
    _drop(blobs, "orders/in/a.csv")
    found = await blobs.get("orders", "in/a.csv")
    assert found is not None and found[1] == b"dropped"
    assert found[0].content_type == "text/csv"
    assert await _names(blobs, "orders") == ["in/a.csv"]


async def test_a_change_by_another_program_makes_a_new_etag_and_drops_the_metadata(
    blobs: FolderBlobs,
) -> None:
    put = await blobs.put("orders", "a", b"1", metadata={"k": "v"})
    (blobs.folder / "orders/a").write_bytes(b"2")
    info = await blobs.info("orders", "a")
    assert info is not None
    assert info.etag != put.etag
    assert info.metadata == {}


async def test_a_link_that_leads_out_is_refused_and_not_listed(blobs: FolderBlobs, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    _drop(blobs, "orders/a.txt")
    (blobs.folder / "orders/file.txt").symlink_to(secret)
    (blobs.folder / "orders/folder").symlink_to(tmp_path)
    _drop(blobs, "others/b.txt")
    (blobs.folder / "orders/neighbour.txt").symlink_to(blobs.folder / "others/b.txt")
    assert await _names(blobs, "orders") == ["a.txt"]
    for name in ["file.txt", "folder/secret.txt", "folder/new.txt", "neighbour.txt"]:
        with pytest.raises(BindingError, match="link"):
            await blobs.get("orders", name)
        with pytest.raises(BindingError, match="link"):
            await blobs.put("orders", name, b"overwritten")
        with pytest.raises(BindingError, match="link"):
            await blobs.delete("orders", name)
    assert secret.read_text() == "secret"


async def test_a_link_that_stays_inside_counts_as_its_file(blobs: FolderBlobs) -> None:
    target = _drop(blobs, "orders/a.txt")
    (blobs.folder / "orders/b.txt").symlink_to(target)
    found = await blobs.get("orders", "b.txt")
    assert found is not None and found[1] == b"dropped"
    assert await _names(blobs, "orders") == ["a.txt", "b.txt"]


async def test_what_is_no_file_or_has_no_blob_name_is_passed_over(blobs: FolderBlobs) -> None:
    _drop(blobs, "orders/good.txt")
    _drop(blobs, "orders/back\\slash.txt")
    _drop(blobs, "orders/dot.")
    _drop(blobs, os.fsdecode(b"orders/caf\xe9.txt"))
    os.mkfifo(blobs.folder / "orders/pipe")
    assert await _names(blobs, "orders") == ["good.txt"]
    assert await blobs.info("orders", "pipe") is None


async def test_a_name_cannot_be_both_a_blob_and_a_folder_of_blobs(blobs: FolderBlobs) -> None:
    await blobs.put("orders", "a/b", b"1")
    with pytest.raises(BindingError, match="below that name"):
        await blobs.put("orders", "a", b"2")
    with pytest.raises(BindingError, match="beginning of its name is a blob"):
        await blobs.put("orders", "a/b/c", b"3")
    assert await _names(blobs, "orders") == ["a/b"]


async def test_a_part_of_a_name_that_is_too_long_is_refused_with_the_limit(blobs: FolderBlobs) -> None:
    with pytest.raises(BindingError, match="255 bytes"):
        await blobs.put("orders", "ü" * 200, b"1")
    assert await blobs.get("orders", "ü" * 200) is None


async def test_a_full_disk_is_told_and_leaves_nothing(
    blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    await blobs.put("orders", "a", b"before")

    def full(draft: FileDraft, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FileDraft, "write", full)
    with pytest.raises(BindingError, match="is full"):
        await blobs.put("orders", "a", b"after")
    found = await blobs.get("orders", "a")
    assert found is not None and found[1] == b"before"
    assert list((blobs.folder.parent / "tmp").iterdir()) == []


async def test_a_container_that_lists_thousands_of_blobs_lists_each_once(blobs: FolderBlobs) -> None:
    for number in range(1200):
        _drop(blobs, f"orders/{number % 7}/{number}.txt", b"")
    assert len(set(await _names(blobs, "orders"))) == 1200


async def test_the_metadata_of_one_blob_never_stands_in_the_way_of_another(blobs: FolderBlobs) -> None:
    await blobs.put("orders", "a", b"1", metadata={"n": "a"})
    await blobs.put("orders", "a.json/b", b"2", metadata={"n": "b"})
    first, second = await blobs.info("orders", "a"), await blobs.info("orders", "a.json/b")
    assert first is not None and first.metadata == {"n": "a"}
    assert second is not None and second.metadata == {"n": "b"}
