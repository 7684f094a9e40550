"""What every state store promises."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from adapters import Memory

from funchost.bindings.queue import OutgoingMessage
from funchost.bindings.state import Sighting


def seen(path: str, version: str | None) -> Sighting:
    """A sighting whose message says which version it is for."""
    body = f"{path}@{version}".encode()
    return Sighting(path, version, OutgoingMessage(queue="internal", body=body))


async def test_a_value_comes_back_as_json_keeps_it(memory: Memory) -> None:
    await memory.state.put("keys", "k", {"a": [1, "ü", None, True]})
    assert await memory.state.get("keys", "k") == {"a": [1, "ü", None, True]}


async def test_who_watches_a_scope_is_told_of_each_change_in_it(memory: Memory) -> None:
    told = asyncio.Event()
    memory.state.watch("keys", told.set)
    for value in ({"a": 1}, None):
        await memory.state.put("timers", "k", value)
        assert not told.is_set()
        await memory.state.put("keys", "k", value)
        assert told.is_set()
        told.clear()


async def test_what_was_never_kept_is_none(memory: Memory) -> None:
    assert await memory.state.get("keys", "k") is None
    assert await memory.state.items("keys") == {}
    assert await memory.state.seen("keys") == {}


async def test_a_value_is_replaced_and_none_removes_it(memory: Memory) -> None:
    await memory.state.put("keys", "k", 1)
    await memory.state.put("keys", "k", 2)
    assert await memory.state.get("keys", "k") == 2
    await memory.state.put("keys", "k", None)
    await memory.state.put("keys", "k", None)
    assert await memory.state.get("keys", "k") is None
    assert await memory.state.items("keys") == {}


async def test_changing_a_value_that_was_got_changes_nothing_kept(memory: Memory) -> None:
    await memory.state.put("keys", "k", {"a": 1})
    value = await memory.state.get("keys", "k")
    value["a"] = 2
    assert await memory.state.get("keys", "k") == {"a": 1}


async def test_scopes_are_apart_and_items_are_in_order(memory: Memory) -> None:
    await memory.state.put("one", "b", 1)
    await memory.state.put("one", "a", 2)
    await memory.state.put("two", "a", 3)
    assert list((await memory.state.items("one")).items()) == [("a", 2), ("b", 1)]


async def test_a_value_that_json_cannot_hold_is_refused_and_the_old_one_stays(memory: Memory) -> None:
    await memory.state.put("keys", "k", 1)
    with pytest.raises(TypeError):
        await memory.state.put("keys", "k", object())
    assert await memory.state.get("keys", "k") == 1


async def test_an_edit_makes_a_value_of_the_one_before(memory: Memory) -> None:
    values: list[Any] = []

    def count(value: Any) -> Any:
        values.append(value)
        return {"count": value["count"] + 1 if value else 1}

    assert await memory.state.change("counts", "k", count)
    assert await memory.state.change("counts", "k", count)
    assert values == [None, {"count": 1}]
    assert await memory.state.items("counts") == {"k": {"count": 2}}


async def test_an_edit_that_gives_nothing_leaves_the_value(memory: Memory) -> None:
    told = asyncio.Event()
    assert not await memory.state.change("counts", "k", lambda value: None)
    await memory.state.put("counts", "k", 1)
    memory.state.watch("counts", told.set)
    assert not await memory.state.change("counts", "k", lambda value: None)
    assert not told.is_set()
    assert await memory.state.get("counts", "k") == 1


async def test_an_edit_that_raises_leaves_the_value(memory: Memory) -> None:
    await memory.state.put("counts", "k", 0)
    with pytest.raises(ZeroDivisionError):
        await memory.state.change("counts", "k", lambda value: 1 // value)
    assert await memory.state.get("counts", "k") == 0


async def test_of_edits_at_once_none_is_lost(memory: Memory) -> None:
    edits = (memory.state.change("counts", "k", lambda value: (value or 0) + 1) for _ in range(5))
    assert all(await asyncio.gather(*edits))
    assert await memory.state.get("counts", "k") == 5


async def test_a_lower_number_does_not_write_over_a_higher_one(memory: Memory) -> None:
    async def put(fence: int) -> bool:
        return await memory.state.change(
            "timers", "k", lambda value: {"fence": fence} if fence >= (value or {}).get("fence", 0) else None
        )

    answers = [await put(number) for number in (2, 1, 2, 3, 2)]
    assert answers == [True, False, True, True, False]
    assert await memory.state.get("timers", "k") == {"fence": 3}


async def test_who_watches_a_scope_is_told_of_an_edit(memory: Memory) -> None:
    told = asyncio.Event()
    memory.state.watch("counts", told.set)
    await memory.state.change("counts", "k", lambda value: 1)
    assert told.is_set()


async def test_a_new_version_is_sent_once(memory: Memory) -> None:
    assert await memory.state.record("blob:F", [seen("a", "1"), seen("b", "1")]) == 2
    assert await memory.state.record("blob:F", [seen("a", "1"), seen("b", "2")]) == 1
    assert await memory.sent() == [b"a@1", b"b@1", b"b@2"]
    assert await memory.state.seen("blob:F") == {"a": "1", "b": "2"}


async def test_scans_at_once_send_each_version_once(memory: Memory) -> None:
    sightings = [seen(f"{n}", "1") for n in range(10)]
    counts = await asyncio.gather(*(memory.state.record("blob:F", sightings) for _ in range(5)))
    assert sorted(counts) == [0, 0, 0, 0, 10]
    assert len(await memory.sent()) == 10


async def test_each_scope_sees_a_version_for_itself(memory: Memory) -> None:
    assert await memory.state.record("blob:F", [seen("a", "1")]) == 1
    assert await memory.state.record("blob:G", [seen("a", "1")]) == 1


async def test_a_sighting_without_a_message_only_remembers(memory: Memory) -> None:
    assert await memory.state.record("blob:F", [Sighting("a", "1")]) == 1
    assert await memory.state.record("blob:F", [seen("a", "1")]) == 0
    assert await memory.sent() == []


async def test_what_is_gone_is_told_once_and_new_again_when_it_comes_back(memory: Memory) -> None:
    await memory.state.record("file:F", [Sighting("a", "1")])
    assert await memory.state.record("file:F", [seen("a", None)]) == 1
    assert await memory.state.record("file:F", [seen("a", None)]) == 0
    assert await memory.state.seen("file:F") == {}
    assert await memory.state.record("file:F", [seen("a", "1")]) == 1
    assert await memory.sent() == [b"a@None", b"a@1"]


async def test_a_version_and_its_message_are_recorded_in_the_order_given(memory: Memory) -> None:
    assert await memory.state.record("file:F", [seen("a", "1"), seen("a", "2"), seen("a", "2")]) == 2
    assert await memory.sent() == [b"a@1", b"a@2"]


async def test_what_is_recorded_wakes_who_waits_for_it(memory: Memory) -> None:
    assert await memory.queues.receive("internal", 1) == []
    waiting = asyncio.ensure_future(memory.queues.wait("internal", timedelta(hours=1)))
    await asyncio.sleep(0)
    await memory.state.record("file:F", [seen("a", "1")])
    await asyncio.wait_for(waiting, 5)
