"""How lines are put together from what is printed piece by piece."""

from __future__ import annotations

from typing import Any

import pytest

from funchost.host.worker import logs
from funchost.host.worker.logs import Output, current_invocation


class Said:
    """What came out: invocation and text of each."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.output = Output(self._emit)

    def _emit(self, header: dict[str, Any], text: str) -> None:
        self.lines.append((header.get("invocation", ""), text))

    def write(self, *pieces: str, invocation: str = "") -> list[str]:
        """Print pieces for an invocation; all texts so far."""
        token = current_invocation.set(invocation)
        for piece in pieces:
            self.output.write("stdout", piece)
        current_invocation.reset(token)
        return [text for _, text in self.lines]


@pytest.fixture
def said() -> Said:
    return Said()


def test_pieces_become_a_line_once_it_ends(said: Said) -> None:
    assert said.write("a", "b") == []
    assert said.write("c\nd") == ["abc"]
    assert said.write("\n") == ["abc", "d"]


def test_lines_that_come_together_go_together(said: Said) -> None:
    assert said.write("a\nb\nc") == ["a\nb"]


def test_an_empty_line_is_one_too(said: Said) -> None:
    assert said.write("\n", "a\n", "\n") == ["", "a", ""]


def test_a_line_beyond_what_is_kept_goes_on_in_pieces_and_its_end_is_no_line(
    said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_LONGEST_LINE", 4)
    assert said.write("abc", "de", "\n") == ["abcde"]
    assert said.write("fghij", "", "k", "\n") == ["abcde", "fghij", "k"]
    assert said.write("x\nlmnop", "\n")[3:] == ["x", "lmnop"]
    assert said.write("\n")[5:] == [""]


def test_what_an_invocation_leaves_is_sent_with_its_end_and_nothing_of_others(said: Said) -> None:
    said.write("a", invocation="one")
    said.write("b", invocation="two")
    said.output.finish("one")
    said.output.finish("one")
    assert said.lines == [("one", "a")]


def test_of_too_many_lines_without_an_end_the_oldest_are_sent(said: Said) -> None:
    for number in range(1000):
        said.write("a", invocation=str(number))
    assert 0 < 1000 - len(said.lines) < 500
    assert [invocation for invocation, _ in said.lines] == [str(number) for number in range(len(said.lines))]
