"""Hints of changes add up, and a burst of them becomes one."""

from __future__ import annotations

from funchost.triggers.watch import BURST, Hints


def test_hints_add_up() -> None:
    hints = Hints(files={"/a"})
    hints.add(Hints(files={"/b"}, closed={"/b"}, folders={"/c"}))
    assert (hints.files, hints.closed, hints.folders) == ({"/a", "/b"}, {"/b"}, {"/c"})
    assert not hints.everywhere


def test_a_burst_means_everywhere() -> None:
    hints = Hints()
    for number in range(BURST + 1):
        hints.add(Hints(files={f"/{number}"}))
    assert hints.everywhere
    assert hints.files == set()


def test_no_hint_is_false() -> None:
    assert not Hints()
    assert Hints(lost=True)
    assert Hints(everywhere=True)
