"""How keys are compared, and that each row of docs/security.md names a test that exists."""

from __future__ import annotations

import hmac
import re
from pathlib import Path

import pytest

from funchost.bindings.memory_queues import MemoryQueues
from funchost.bindings.memory_state import MemoryState
from funchost.host.keys import Keys

_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("which", ["first", "last", "none", "nearly"])
async def test_every_key_is_compared_whatever_is_shown(monkeypatch: pytest.MonkeyPatch, which: str) -> None:
    keys = Keys(MemoryState(MemoryQueues()))
    await keys.load()
    await keys.set("own", "a function's own key", "f")
    known = [key.value for key in await keys.list()]
    compared: list[str] = []
    really = hmac.compare_digest

    def compare(shown: bytes, key: bytes) -> bool:
        compared.append(key.decode())
        return really(shown, key)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    shown = {"first": known[0], "last": known[-1], "none": "x", "nearly": known[0][:-1] + "?"}[which]
    keys.authorize(shown, "function", "f")
    assert sorted(compared) == sorted(known)


def rows() -> list[list[str]]:
    lines = (_ROOT / "docs" / "security.md").read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "::" in line]


@pytest.mark.parametrize("row", rows(), ids=lambda row: str(row[-1]))
def test_a_row_of_the_document_names_a_test(row: list[str]) -> None:
    assert len(row) == 4
    file, _, name = row[-1].partition("::")
    assert re.search(rf"^(async )?def {name}\(", (_ROOT / "tests" / file).read_text(), re.MULTILINE)


def test_no_row_of_the_document_is_without_a_test() -> None:
    lines = (_ROOT / "docs" / "security.md").read_text().splitlines()
    assert [line for line in lines if line.startswith("| ") and "::" not in line] == [
        "| who | cannot | how | shown by |"
    ]
