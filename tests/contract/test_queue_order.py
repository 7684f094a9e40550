"""What every queue store promises of sessions, priorities and ids that drop duplicates."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from adapters import MINUTE, NONE, Queues

from funchost.bindings.errors import ReceiptLost
from funchost.bindings.queue import OutgoingMessage, QueueMessage
from funchost.bindings.table import EntityConflict, OutgoingEntity

#: How long a wait may take that should end at once.
DEADLINE = 5.0

not_on_account = pytest.mark.not_on_account
not_on_sqs = pytest.mark.not_on_sqs

#: Why some promises are not kept on SQS, and some not shown on a real account.
RANKS = "SQS knows no priorities"
SEVERAL = "SQS hands out several messages of a group at once"
LOOKS = "SQS shows none but visible messages, in no order"
DELAYS = "a message of a FIFO queue cannot be delayed"
TABLES = "SQS has no tables"
EXPIRY = "SQS delivers what has expired to the store, which deletes it then"
SECONDS = "time cannot be advanced there"


def message(queues: Queues, body: bytes, session: str | None = None, **more: Any) -> OutgoingMessage:
    return OutgoingMessage(queue=queues.ordered, body=body, session_id=session, **more)


async def send(queues: Queues, session: str | None, *bodies: bytes, **more: Any) -> None:
    await queues.store.send([message(queues, body, session, **more) for body in bodies])


async def bodies(queues: Queues, limit: int = 32) -> list[bytes]:
    return [message.body for message in await queues.receive(limit, queues.ordered)]


async def take(queues: Queues) -> QueueMessage:
    [message] = await queues.receive(1, queues.ordered)
    return message


# -- sessions


async def test_a_message_tells_its_session_and_its_id(queues: Queues) -> None:
    await send(queues, "anna", b"a", dedup_id="order-1")
    found = await take(queues)
    assert (found.body, found.group, found.dedup_id, found.priority) == (b"a", "anna", "order-1", 4)


async def test_messages_of_a_session_come_in_the_order_of_sending(queues: Queues) -> None:
    await send(queues, "anna", *[b"%d" % number for number in range(6)])
    seen = []
    for _ in range(6):
        found = await take(queues)
        seen.append(found.body)
        await queues.store.complete([found])
    assert seen == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert await bodies(queues) == []


async def test_while_one_of_a_session_is_in_flight_those_behind_it_wait(queues: Queues) -> None:
    await send(queues, "anna", b"1", b"2")
    first = await take(queues)
    assert await bodies(queues) == []
    await queues.store.complete([first])
    assert await bodies(queues) == [b"2"]


@not_on_sqs(SEVERAL)
async def test_one_look_brings_no_more_than_one_message_of_each_session(queues: Queues) -> None:
    await send(queues, "anna", b"a1", b"a2")
    await send(queues, "bert", b"b1", b"b2")
    await send(queues, None, b"x", b"y")
    assert await bodies(queues) == [b"a1", b"b1", b"x", b"y"]
    assert await bodies(queues) == []


async def test_sessions_do_not_wait_for_each_other(queues: Queues) -> None:
    await send(queues, "anna", b"a")
    await take(queues)
    await send(queues, "bert", b"b")
    assert await bodies(queues) == [b"b"]


@not_on_sqs("SQS keeps what was released until it is visible again")
async def test_a_message_that_failed_holds_back_those_behind_it(queues: Queues) -> None:
    await send(queues, "anna", b"1", b"2")
    await queues.store.release(await take(queues), MINUTE)
    assert await bodies(queues) == []
    queues.clock.advance(MINUTE)
    again = await take(queues)
    assert (again.body, again.dequeue_count) == (b"1", 2)
    await queues.store.complete([again])
    assert await bodies(queues) == [b"2"]


async def test_one_that_is_released_at_once_comes_before_those_behind_it(queues: Queues) -> None:
    await send(queues, "anna", b"1", b"2")
    await queues.store.release(await take(queues), NONE)
    assert (await take(queues)).body == b"1"


async def test_with_one_given_up_the_next_one_comes(queues: Queues) -> None:
    await send(queues, "anna", b"1", b"2")
    found = await take(queues)
    await queues.store.poison(found, OutgoingMessage(queue="orders-poison", body=found.body))
    assert (await take(queues)).body == b"2"
    assert (await queues.receive_one("orders-poison")).body == b"1"


@not_on_account(SECONDS)
async def test_one_whose_lease_ended_comes_again_before_those_behind_it(queues: Queues) -> None:
    await send(queues, "anna", b"1", b"2")
    await take(queues)
    queues.clock.advance(MINUTE)
    assert (await take(queues)).body == b"1"


@not_on_account(SECONDS)
async def test_a_late_finisher_lets_nobody_come(queues: Queues) -> None:
    await send(queues, "anna", b"1", b"2")
    late = await take(queues)
    queues.clock.advance(MINUTE)
    await take(queues)
    with pytest.raises(ReceiptLost):
        await queues.store.complete([late])
    assert await bodies(queues) == []


@not_on_sqs(EXPIRY)
@pytest.mark.parametrize("ttls", [1, 3])
async def test_with_one_expired_the_next_one_comes(queues: Queues, ttls: int) -> None:
    await send(queues, "anna", *[b"old"] * ttls, ttl=MINUTE)
    await send(queues, "anna", b"2", b"3")
    queues.clock.advance(MINUTE)
    await send(queues, "anna", b"4")
    for body in (b"2", b"3", b"4"):
        found = await take(queues)
        assert found.body == body
        await queues.store.complete([found])


@not_on_sqs(EXPIRY)
async def test_one_that_expires_while_it_runs_holds_back_the_others_until_it_has_left(queues: Queues) -> None:
    await send(queues, "anna", b"1", ttl=MINUTE / 2)
    await send(queues, "anna", b"2")
    first = await take(queues)
    queues.clock.advance(MINUTE / 2)
    assert await bodies(queues) == []
    await queues.store.release(first, NONE)
    assert await bodies(queues) == [b"2"]


@not_on_sqs(DELAYS)
async def test_a_delayed_message_delays_those_that_were_sent_after_it(queues: Queues) -> None:
    await send(queues, "anna", b"1", visible_at=queues.clock.now() + MINUTE)
    await send(queues, "anna", b"2")
    assert await bodies(queues) == []
    queues.clock.advance(MINUTE)
    first = await take(queues)
    assert first.body == b"1"
    await queues.store.complete([first])
    assert await bodies(queues) == [b"2"]


@not_on_sqs(DELAYS)
async def test_one_that_waits_keeps_its_own_delay(queues: Queues) -> None:
    await send(queues, "anna", b"1")
    await send(queues, "anna", b"2", visible_at=queues.clock.now() + MINUTE)
    await queues.store.complete([await take(queues)])
    assert await bodies(queues) == []
    queues.clock.advance(MINUTE)
    assert await bodies(queues) == [b"2"]


async def test_an_output_for_the_same_session_comes_behind_those_that_are_there(queues: Queues) -> None:
    await send(queues, "anna", b"1", b"2")
    await queues.store.complete([await take(queues)], [message(queues, b"3", "anna")])
    for body in (b"2", b"3"):
        found = await take(queues)
        assert found.body == body
        await queues.store.complete([found])


@not_on_sqs("on SQS the waiting is done by receiving")
async def test_a_wait_ends_when_a_session_goes_on(queues: Queues) -> None:
    await send(queues, "anna", b"1", b"2")
    first = await take(queues)
    assert await bodies(queues) == []
    waiting = asyncio.ensure_future(queues.store.wait(queues.ordered, timedelta(hours=1)))
    await asyncio.sleep(0)
    assert not waiting.done()
    await queues.store.complete([first])
    await asyncio.wait_for(waiting, DEADLINE)


@not_on_sqs("on SQS the waiting is done by receiving")
async def test_a_wait_ends_when_the_first_of_a_session_expires(queues: Queues) -> None:
    soon = timedelta(milliseconds=20)
    later = queues.clock.now() + MINUTE
    await send(queues, "anna", b"1", ttl=soon)
    await send(queues, "anna", b"2", ttl=MINUTE, visible_at=later)
    await queues.store.release(await take(queues), MINUTE)
    assert await bodies(queues) == []
    await asyncio.wait_for(queues.store.wait(queues.ordered, timedelta(hours=1)), DEADLINE)


@not_on_sqs(LOOKS)
async def test_those_that_wait_are_shown_and_counted_as_such(queues: Queues) -> None:
    await send(queues, "anna", b"1", b"2", b"3")
    await send(queues, None, b"x")
    seen = await queues.store.peek(queues.ordered, 10)
    assert [(one.body, one.state, one.session_id) for one in seen] == [
        (b"1", "visible", "anna"),
        (b"x", "visible", None),
        (b"2", "waiting", "anna"),
        (b"3", "waiting", "anna"),
    ]
    assert {one.visible_at for one in seen} == {queues.clock.now()}
    first = await take(queues)
    depth = await queues.depth(queues.ordered)
    assert (depth.visible, depth.delayed, depth.in_flight, depth.waiting) == (1, 0, 1, 2)
    await queues.store.complete([first])
    depth = await queues.depth(queues.ordered)
    assert (depth.visible, depth.in_flight, depth.waiting) == (2, 0, 1)


@not_on_sqs("SQS knows the group of a message from SQS alone")
async def test_one_that_was_given_up_still_tells_its_session(queues: Queues) -> None:
    reason = {"poison": {"error": "E", "sessionId": "anna"}}
    given_up = [OutgoingMessage(queue="bad", body=body, properties=reason) for body in (b"1", b"2")]
    await queues.store.send([*given_up, OutgoingMessage(queue="bad", body=b"3", properties={"poison": "?"})])
    seen = await queues.store.peek("bad", 3)
    assert [(one.state, one.session_id) for one in seen] == [
        ("visible", "anna"),
        ("visible", "anna"),
        ("visible", None),
    ]


# -- priorities


@not_on_sqs(RANKS)
async def test_of_what_is_due_the_highest_priority_comes_first_and_then_the_oldest(queues: Queues) -> None:
    for level in (4, 0, 9, 4, 9, 7):
        await send(queues, None, b"%d" % level, priority=level)
    seen = await queues.store.peek(queues.ordered, 4)
    assert [one.priority for one in seen] == [9, 9, 7, 4]
    first = await queues.receive(3, queues.ordered)
    assert [one.priority for one in first] == [9, 9, 7]
    assert first[0].inserted_at <= first[1].inserted_at
    assert [one.priority for one in await queues.receive(32, queues.ordered)] == [4, 4, 0]


@not_on_sqs(RANKS)
async def test_a_message_of_high_priority_is_next_whatever_waits(queues: Queues) -> None:
    await send(queues, None, *[b"low"] * 200, priority=0)
    await queues.receive(3, queues.ordered)
    await send(queues, None, b"high", priority=9)
    assert [one.body for one in await queues.receive(2, queues.ordered)] == [b"high", b"low"]


@not_on_sqs(RANKS)
async def test_a_priority_makes_nothing_due_sooner(queues: Queues) -> None:
    await send(queues, None, b"later", priority=9, visible_at=queues.clock.now() + MINUTE)
    await send(queues, None, b"now", priority=0)
    assert await bodies(queues) == [b"now"]
    queues.clock.advance(MINUTE)
    assert await bodies(queues, 1) == [b"later"]


@not_on_sqs(RANKS)
async def test_within_a_session_the_order_counts_and_not_the_priority(queues: Queues) -> None:
    await send(queues, "anna", b"1", priority=0)
    await send(queues, "anna", b"2", priority=9)
    await send(queues, None, b"x")
    assert await bodies(queues, 1) == [b"x"]
    first = await take(queues)
    assert first.body == b"1"
    await send(queues, None, b"y")
    await queues.store.complete([first])
    assert await bodies(queues, 1) == [b"2"]


@not_on_sqs(RANKS)
async def test_a_wait_ends_when_a_message_of_any_priority_becomes_due(queues: Queues) -> None:
    now = queues.clock.now()
    await send(queues, None, b"later", priority=9, visible_at=now + MINUTE)
    await send(queues, None, b"soon", priority=1, visible_at=now + timedelta(milliseconds=20))
    assert await bodies(queues) == []
    await asyncio.wait_for(queues.store.wait(queues.ordered, timedelta(hours=1)), DEADLINE)


# -- ids that drop duplicates


async def test_what_is_sent_again_with_the_same_id_is_dropped(queues: Queues) -> None:
    await send(queues, "anna", b"first", dedup_id="order-1")
    await send(queues, "bert", b"second", dedup_id="order-1")
    await send(queues, "carl", b"other", dedup_id="order-2")
    assert sorted(await bodies(queues)) == [b"first", b"other"]


@not_on_sqs("moto, unlike SQS, forgets an id with its message")
async def test_an_id_is_kept_when_its_message_has_left(queues: Queues) -> None:
    await send(queues, "anna", b"first", dedup_id="order-1")
    await queues.store.complete([await take(queues)])
    await send(queues, "anna", b"second", dedup_id="order-1")
    assert await bodies(queues) == []


@not_on_account(SECONDS)
async def test_an_id_is_forgotten_after_five_minutes_however_often_it_was_sent(queues: Queues) -> None:
    await send(queues, "anna", b"first", dedup_id="order-1")
    queues.clock.advance(4 * MINUTE)
    await send(queues, "anna", b"second", dedup_id="order-1")
    queues.clock.advance(MINUTE + timedelta(seconds=1))
    await send(queues, "bert", b"third", dedup_id="order-1")
    assert sorted(await bodies(queues)) == [b"first", b"third"]


async def test_of_several_that_are_sent_together_one_is_kept(queues: Queues) -> None:
    await send(queues, "anna", b"1", b"2", b"3", dedup_id="order-1")
    assert await bodies(queues) == [b"1"]


async def test_outputs_are_dropped_as_well(queues: Queues) -> None:
    await send(queues, "anna", b"job")
    await send(queues, "bert", b"bill", dedup_id="bill-1")
    job = await take(queues)
    await queues.store.complete([job], [message(queues, b"again", "carl", dedup_id="bill-1")])
    assert await bodies(queues) == [b"bill"]


@not_on_sqs("a standard queue of SQS takes no such id")
async def test_an_id_counts_in_its_own_queue_alone(queues: Queues) -> None:
    for queue in ("orders", "returns"):
        await queues.store.send([OutgoingMessage(queue=queue, body=b"a", dedup_id="1")])
    assert await queues.bodies("orders") == await queues.bodies("returns") == [b"a"]


@not_on_sqs("a standard queue of SQS takes no such id")
async def test_a_queue_that_only_got_a_duplicate_still_exists(queues: Queues) -> None:
    await send(queues, None, b"a", b"b", dedup_id="1")
    assert (await queues.depth(queues.ordered)).visible == 1


@not_on_sqs(TABLES)
async def test_an_id_is_not_kept_when_nothing_was_sent(queues: Queues) -> None:
    entity = OutgoingEntity(table="results", partition_key="p", row_key="r", properties={})
    await queues.store.send([], [entity])
    with pytest.raises(EntityConflict):
        await queues.store.send([message(queues, b"a", dedup_id="1")], [entity])
    await send(queues, None, b"b", dedup_id="1")
    assert await bodies(queues) == [b"b"]


@not_on_sqs("the clock of SQS is nobody's to set")
async def test_an_id_is_forgotten_when_the_clock_is_set_back_behind_its_beginning(queues: Queues) -> None:
    await send(queues, None, b"a", dedup_id="1")
    await bodies(queues)
    queues.clock.advance(-timedelta(hours=1))
    await send(queues, None, b"b", dedup_id="1")
    assert b"b" in await bodies(queues)
