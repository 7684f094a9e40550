"""Runs as documents, and where a run stands among others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from memory_history import NOON, MemoryHistory, failed, make_run, text

from funchost.bindings.history import Kept, OutputRef, RunRecord, RunState, Step
from funchost.host.operations.runs import (
    has_latest_code,
    kept_document,
    kept_text,
    parse_state,
    relatives,
    relatives_document,
    run_document,
    run_summary,
    timeline,
)


def test_a_state_is_known_in_any_case_and_the_nearest_is_named() -> None:
    assert parse_state("Timed_Out") is RunState.TIMED_OUT
    with pytest.raises(ValueError, match="Did you mean 'failed'"):
        parse_state("faild")
    with pytest.raises(ValueError, match="There are: running, succeeded"):
        parse_state("xyz")


def test_a_summary_names_what_a_list_shows_and_no_content() -> None:
    document = run_summary(failed(attempts=2, dequeue_count=3, parent="p", replay_of="r", log=text("secret")))
    assert document["state"] == "failed"
    assert document["error"] == {"type": "ValueError", "message": "no luck"}
    assert document["durationMs"] == 1000
    assert document["started"] == "2026-03-01T12:00:00+00:00"
    assert (document["attempts"], document["dequeueCount"]) == (2, 3)
    assert (document["parent"], document["replayOf"]) == ("p", "r")
    assert b"secret" not in msgspec.json.encode(document)


def test_a_run_that_goes_on_has_no_end_and_no_duration() -> None:
    document = run_summary(make_run(state=RunState.RUNNING, progress=0.5))
    assert (document["ended"], document["durationMs"], document["progress"]) == (None, None, 0.5)


def test_a_document_has_everything_and_is_json() -> None:
    run = failed(
        error_traceback="Traceback",
        outputs=[OutputRef("queue", "done", 5)],
        event={"method": "GET"},
        answer={"status": 200},
        log=text("line"),
        status={"step": 1},
    )
    document = msgspec.json.decode(msgspec.json.encode(run_document(run)))
    assert document["error"]["traceback"] == "Traceback"
    assert document["outputs"] == [{"type": "queue", "where": "done", "size": 5}]
    assert document["input"] == {"kind": "bytes", "size": 5, "isWhole": True, "text": "hello"}
    assert (document["event"], document["answer"], document["status"]) == (
        {"method": "GET"},
        {"status": 200},
        {"step": 1},
    )
    assert [step["text"] for step in document["timeline"]] == ["started", "failed"]


@pytest.mark.parametrize(
    ("kept", "document"),
    [
        (Kept(), None),
        (Kept("stream"), {"kind": "stream", "size": 0, "isWhole": False, "text": ""}),
        (Kept("bytes", b"\xff", 1), {"kind": "bytes", "size": 1, "isWhole": True, "base64": "/w=="}),
        (Kept("text", b"ab", 9), {"kind": "text", "size": 9, "isWhole": False, "text": "ab"}),
    ],
)
def test_a_content_is_text_where_it_can_be(kept: Kept, document: dict[str, Any] | None) -> None:
    assert kept_document(kept) == document


def test_a_text_that_was_cut_within_a_character_is_still_text() -> None:
    cut = "äö".encode()[:3]
    assert kept_text(Kept("text", cut, 100)) == "ä"
    assert kept_text(Kept("text", cut, 3)) is None


def test_a_timeline_is_in_order_and_ends_with_the_state() -> None:
    run = make_run(
        queued=NOON - timedelta(seconds=1),
        steps=[Step(NOON + timedelta(milliseconds=5), "one"), Step(NOON + timedelta(milliseconds=9), "two")],
    )
    assert [step.text for step in timeline(run)] == ["queued", "started", "one", "two", "succeeded"]


# -- relatives


def generations(*parents: int | None) -> list[RunRecord]:
    """Runs, each with the number of its parent among them."""
    runs: list[RunRecord] = []
    for number, parent in enumerate(parents):
        moment = NOON + timedelta(seconds=number)
        runs.append(
            make_run(f"f{number}", started=moment, parent=None if parent is None else runs[parent].id)
        )
    return runs


async def test_parents_come_nearest_first_and_children_as_a_tree() -> None:
    runs = generations(None, 0, 1, 2, 2, 3)
    found = await relatives(MemoryHistory(*runs), runs[2])
    assert [run.function for run in found.parents] == ["f1", "f0"]
    assert [branch.run.function for branch in found.children] == ["f3", "f4"]
    assert [branch.run.function for branch in found.children[0].children] == ["f5"]
    document = relatives_document(found)
    assert document["children"][0]["children"][0]["function"] == "f5"
    assert not document["hasMoreChildren"]


async def test_a_parent_that_is_no_longer_kept_ends_the_chain() -> None:
    run = make_run(parent="gone")
    assert (await relatives(MemoryHistory(run), run)).parents == ()


async def test_runs_that_name_each_other_as_parents_do_not_go_on_for_ever() -> None:
    first, second = make_run("a"), make_run("b")
    first.parent, second.parent = second.id, first.id
    found = await relatives(MemoryHistory(first, second), first)
    assert [run.function for run in found.parents] == ["b"]
    assert [branch.run.function for branch in found.children] == ["b"]
    assert found.children[0].children == ()


async def test_a_run_with_many_children_says_that_there_are_more() -> None:
    parent = make_run("parent")
    children = [make_run(f"c{n}", started=NOON + timedelta(seconds=n), parent=parent.id) for n in range(300)]
    found = await relatives(MemoryHistory(parent, *children), parent)
    assert found.has_more_children
    assert len(found.children) == 50


async def test_a_wide_and_deep_family_is_cut_and_says_so() -> None:
    parents: list[int | None] = [None, *([0] * 30)]
    for child in range(1, 31):
        parents += [child] * 20
    runs = generations(*parents)
    found = await relatives(MemoryHistory(*runs), runs[0])
    shown = len(found.children) + sum(len(branch.children) for branch in found.children)
    assert shown == 200
    assert any(branch.has_more for branch in found.children)


async def test_a_replay_is_linked_both_ways() -> None:
    old = failed()
    new = make_run(started=NOON + timedelta(seconds=5), replay_of=old.id)
    history = MemoryHistory(old, new)
    assert (await relatives(history, old)).replays == (new,)
    assert (await relatives(history, new)).original == old


async def test_whether_newer_code_has_run_since_is_told() -> None:
    old = make_run(code="1")
    new = make_run(code="2", started=NOON + timedelta(seconds=5))
    history = MemoryHistory(old, new)
    assert await has_latest_code(history, old) is False
    assert await has_latest_code(history, new) is True
    assert await has_latest_code(history, make_run(code=None)) is None
