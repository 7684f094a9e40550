"""What people can do about messages that wait for them, on every queue store."""

from __future__ import annotations

from contextlib import aclosing

import msgspec
import pytest
from adapters import MINUTE, Queues

from funchost.bindings.parked import origin_by_name, parked_messages
from funchost.bindings.queue import OutgoingMessage, PeekedMessage

BAD = "orders-poison"


async def give_up(queues: Queues, *bodies: bytes, queue: str = BAD) -> dict[bytes, str]:
    """Put messages where those that were given up are; returns their ids by their bodies."""
    await queues.store.send(
        [
            OutgoingMessage(queue=queue, body=body, ttl=None, properties={"poison": {"queue": "orders"}})
            for body in bodies
        ]
    )
    return {message.body: message.id for message in await look(queues, queue)}


async def look(queues: Queues, queue: str = BAD) -> list[PeekedMessage]:
    async with aclosing(parked_messages(queues.store).look(queue)) as messages:
        return [message async for message in messages]


async def replace(queues: Queues, *ids: str, to: str | None = "orders", singly: bool = False) -> list[str]:
    def made(message: PeekedMessage) -> OutgoingMessage | None:
        body, properties = message.body, {"replayOf": "run-1"}
        return OutgoingMessage(queue=to, body=body, properties=properties) if to else None

    done = parked_messages(queues.store).replace(BAD, ids, made, singly=singly)
    async with aclosing(done):
        return [id_ async for id_ in done]


async def test_a_look_shows_everything_and_leaves_it_where_it_is(queues: Queues) -> None:
    bodies = [b"%d" % number for number in range(25)]
    await give_up(queues, *bodies)
    found = await look(queues)
    assert sorted(message.body for message in found) == sorted(bodies)
    assert {message.properties["poison"]["queue"] for message in found} == {"orders"}
    again = [message.body for message in await look(queues)]
    assert sorted(again) == sorted(bodies)
    assert await queues.bodies(BAD) != []


async def test_a_look_that_is_broken_off_gives_back_what_it_held(queues: Queues) -> None:
    await give_up(queues, b"a", b"b")
    async with aclosing(parked_messages(queues.store).look(BAD)) as messages:
        await anext(messages)
    assert sorted(await queues.bodies(BAD)) == [b"a", b"b"]


@pytest.mark.parametrize("singly", [False, True])
async def test_messages_are_moved_with_what_takes_their_place_and_the_others_stay(
    queues: Queues, singly: bool
) -> None:
    ids = await give_up(queues, b"a", b"b", b"c")
    moved = [ids[b"a"], ids[b"c"]]
    assert sorted(await replace(queues, *moved, singly=singly)) == sorted(moved)
    found = await queues.receive()
    assert sorted(message.body for message in found) == [b"a", b"c"]
    assert {message.dequeue_count for message in found} == {1}
    assert [message.properties for message in found] == [{"replayOf": "run-1"}] * 2
    assert await queues.bodies(BAD) == [b"b"]


async def test_what_nothing_takes_the_place_of_is_removed(queues: Queues) -> None:
    ids = await give_up(queues, b"a", b"b")
    assert await replace(queues, ids[b"a"], to=None) == [ids[b"a"]]
    assert await queues.bodies(BAD) == [b"b"]


async def test_what_is_in_flight_or_gone_is_passed_over(queues: Queues) -> None:
    ids = await give_up(queues, b"a")
    held = await queues.receive_one(BAD)
    assert await replace(queues, ids[b"a"], "never-was") == []
    await queues.store.complete([held])
    assert await replace(queues, ids[b"a"]) == []
    assert await queues.bodies() == []


async def test_what_was_received_and_not_settled_in_time_can_be_moved_and_the_late_end_does_nothing(
    queues: Queues,
) -> None:
    ids = await give_up(queues, b"a")
    await queues.receive_one(BAD)
    queues.clock.advance(MINUTE)
    assert await replace(queues, ids[b"a"]) == [ids[b"a"]]
    assert await queues.bodies() == [b"a"]


async def test_stopping_in_the_middle_leaves_each_message_in_one_queue(queues: Queues) -> None:
    ids = await give_up(queues, b"a", b"b", b"c")
    done = parked_messages(queues.store).replace(
        BAD,
        list(ids.values()),
        lambda message: OutgoingMessage(queue="orders", body=message.body),
        singly=True,
    )
    async with aclosing(done):
        await anext(done)
    moved, left = await queues.bodies(), await queues.bodies(BAD)
    assert (len(moved), len(left)) == (1, 2)
    assert sorted([*moved, *left]) == [b"a", b"b", b"c"]


async def test_a_body_is_changed_where_it_lies_and_keeps_its_reason(queues: Queues) -> None:
    await give_up(queues, b"a", b"b")
    [message] = [message for message in await look(queues) if message.body == b"a"]
    changed = msgspec.structs.replace(message, body=b"mended")
    assert await parked_messages(queues.store).rewrite(message, changed)
    found = {message.body: message.properties for message in await look(queues)}
    assert found == {key: {"poison": {"queue": "orders"}} for key in (b"mended", b"b")}


async def test_what_is_in_flight_is_not_changed(queues: Queues) -> None:
    await give_up(queues, b"a")
    [message] = await look(queues)
    held = await queues.receive_one(BAD)
    changed = msgspec.structs.replace(message, body=b"mended")
    assert not await parked_messages(queues.store).rewrite(message, changed)
    assert held.body == b"a"


async def test_a_queue_is_cleared_and_others_are_not(queues: Queues) -> None:
    await queues.send(b"a", b"b", b"c")
    await give_up(queues, b"d")
    assert await parked_messages(queues.store).clear("orders") == 3
    assert await queues.bodies() == []
    assert await queues.bodies(BAD) == [b"d"]


async def test_poison_queues_are_found_by_their_names(queues: Queues) -> None:
    await queues.send(b"a")
    await give_up(queues, b"b")
    await give_up(queues, b"c", queue="jobs-poison")
    shelf = parked_messages(queues.store)
    assert await shelf.poison_queues(None) == ["jobs-poison", BAD]
    for about in (BAD, "orders"):
        assert BAD in await shelf.poison_queues(about)
        assert "orders" not in await shelf.poison_queues(about)


async def test_a_queue_that_does_not_exist_holds_nothing(queues: Queues) -> None:
    assert await look(queues, "none-poison") == []
    assert await parked_messages(queues.store).poison_queues("none") == []


@pytest.mark.parametrize(
    ("queue", "origin"),
    [
        ("orders-poison", "orders"),
        ("orders-poison.fifo", "orders.fifo"),
        ("orders", None),
        ("orders.fifo", None),
        ("-poison", None),
        ("poison", None),
    ],
)
def test_the_name_of_a_poison_queue_tells_where_its_messages_came_from(
    queue: str, origin: str | None
) -> None:
    assert origin_by_name(queue) == origin
