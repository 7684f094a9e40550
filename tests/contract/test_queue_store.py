"""What every queue store promises."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from adapters import MAX_BODY, MINUTE, NONE, Queues

from funchost.bindings.errors import MessageTooLarge, ReceiptLost
from funchost.bindings.queue import OutgoingMessage, QueueDepth

#: How long a wait may take that should end at once.
DEADLINE = 5.0

not_on_account = pytest.mark.not_on_account
not_on_sqs = pytest.mark.not_on_sqs

#: Why some promises are not kept on SQS.
COUNTS = "every delivery counts on SQS"
PEEKS = "SQS shows none but visible messages, in no order"
RETENTION = "on SQS the queue says how long messages are kept"

#: Why some cannot be shown on a real account.
ORDER = "a standard queue has no order"
SECONDS = "a second more or less is nothing there"
ROUGHLY = "SQS counts roughly, and late"


# -- sending and receiving


async def test_a_message_comes_back_byte_for_byte_with_its_properties(queues: Queues) -> None:
    sent = OutgoingMessage(
        queue="orders", body=b"\x00\xff{}", properties={"traceparent": "t", "n": [1, None]}
    )
    await queues.store.send([sent])
    message = await queues.receive_one()
    assert message.queue == "orders"
    assert message.body == b"\x00\xff{}"
    assert message.properties == {"traceparent": "t", "n": [1, None]}
    assert message.dequeue_count == 1
    now = queues.clock.now()
    assert (message.inserted_at, message.first_received_at) == (now, now)
    assert message.next_visible_at == now + MINUTE


@not_on_account(ORDER)
async def test_the_oldest_come_first_and_no_more_than_asked_for(queues: Queues) -> None:
    await queues.send(*[b"%d" % number for number in range(5)])
    assert [message.body for message in await queues.receive(3)] == [b"0", b"1", b"2"]
    assert [message.body for message in await queues.receive(3)] == [b"3", b"4"]


@not_on_account(SECONDS)
async def test_a_received_message_is_hidden_until_its_lease_ends(queues: Queues) -> None:
    await queues.send(b"a")
    first = await queues.receive_one()
    assert await queues.receive() == []
    queues.clock.advance(MINUTE - timedelta(seconds=1))
    assert await queues.receive() == []
    queues.clock.advance(timedelta(seconds=1))
    second = await queues.receive_one()
    assert (second.id, second.body, second.dequeue_count) == (first.id, b"a", 2)
    assert second.receipt != first.receipt
    assert second.first_received_at == first.first_received_at


async def test_queues_are_apart(queues: Queues) -> None:
    await queues.send(b"a", queue="orders")
    await queues.send(b"b", queue="returns")
    assert await queues.bodies("returns") == [b"b"]
    assert await queues.bodies("orders") == [b"a"]


async def test_two_receivers_at_once_never_get_the_same_message(queues: Queues) -> None:
    await queues.send(*[b"%d" % number for number in range(40)])
    batches = await asyncio.gather(*(queues.receive(8) for _ in range(6)))
    ids = [message.id for batch in batches for message in batch]
    assert len(ids) == len(set(ids)) == 40


async def test_a_delayed_message_is_invisible_until_its_moment(queues: Queues) -> None:
    later = queues.clock.now() + MINUTE
    await queues.store.send([OutgoingMessage(queue="orders", body=b"later", visible_at=later)])
    assert await queues.receive() == []
    queues.clock.advance(MINUTE)
    assert await queues.bodies() == [b"later"]


async def test_a_moment_in_the_past_means_at_once(queues: Queues) -> None:
    before = queues.clock.now() - MINUTE
    await queues.store.send([OutgoingMessage(queue="orders", body=b"a", visible_at=before)])
    assert await queues.bodies() == [b"a"]


async def test_a_message_whose_time_to_live_is_over_is_gone(queues: Queues) -> None:
    await queues.store.send([OutgoingMessage(queue="orders", body=b"a", ttl=MINUTE)])
    queues.clock.advance(MINUTE)
    assert await queues.receive() == []


async def test_a_look_does_not_show_a_message_whose_time_to_live_is_over(queues: Queues) -> None:
    await queues.store.send([OutgoingMessage(queue="orders", body=b"a", ttl=MINUTE)])
    queues.clock.advance(MINUTE)
    assert await queues.store.peek("orders", 10) == []


async def test_the_time_to_live_of_a_delayed_message_begins_when_it_is_visible(queues: Queues) -> None:
    later = queues.clock.now() + 10 * MINUTE
    await queues.store.send([OutgoingMessage(queue="orders", body=b"a", visible_at=later, ttl=MINUTE)])
    queues.clock.advance(10 * MINUTE)
    message = await queues.receive_one()
    assert message.expires_at == later + MINUTE


async def test_a_time_to_live_of_nothing_is_not_for_ever(queues: Queues) -> None:
    await queues.store.send([OutgoingMessage(queue="orders", body=b"a", ttl=NONE)])
    assert await queues.receive() == []


@not_on_sqs(RETENTION)
async def test_a_message_without_a_time_to_live_stays(queues: Queues) -> None:
    await queues.store.send([OutgoingMessage(queue="orders", body=b"a", ttl=None)])
    queues.clock.advance(timedelta(days=4000))
    assert (await queues.receive_one()).expires_at is None


@not_on_sqs(RETENTION)
async def test_without_being_told_a_message_is_kept_for_a_week(queues: Queues) -> None:
    await queues.send(b"a")
    assert (await queues.receive_one()).expires_at == queues.clock.now() + timedelta(days=7)


async def test_one_message_that_is_too_large_keeps_all_of_them_out(queues: Queues) -> None:
    await queues.send(b"x" * queues.max_body)
    with pytest.raises(MessageTooLarge, match="orders"):
        await queues.send(b"a", b"x" * (queues.max_body + 1))
    assert await queues.bodies() == [b"x" * queues.max_body]


# -- settling


@not_on_account(ROUGHLY)
async def test_a_completed_message_never_comes_back(queues: Queues) -> None:
    await queues.send(b"a")
    await queues.store.complete([await queues.receive_one()])
    queues.clock.advance(10 * MINUTE)
    assert await queues.receive() == []
    assert (await queues.depth()).in_flight == 0


async def test_completing_sends_the_outputs(queues: Queues) -> None:
    await queues.send(b"a")
    message = await queues.receive_one()
    await queues.store.complete([message], [OutgoingMessage(queue="bills", body=b"bill")])
    assert await queues.bodies("bills") == [b"bill"]


async def test_several_messages_are_completed_together_and_their_outputs_sent_once(queues: Queues) -> None:
    await queues.send(b"a", b"b", b"c")
    a, b, c = await queues.receive()
    await queues.store.complete([a, c], [OutgoingMessage(queue="bills", body=b"bill")])
    assert await queues.bodies("bills") == [b"bill"]
    await queues.store.release(b, NONE)
    assert await queues.bodies() == [b"b"]


@not_on_account(ROUGHLY)
async def test_of_several_messages_those_that_are_lost_are_passed_over(queues: Queues) -> None:
    await queues.send(b"a", b"b")
    lost, held = await queues.receive()
    await queues.store.release(lost, NONE)
    current = await queues.receive_one()
    await queues.store.complete([lost, held], [OutgoingMessage(queue="bills", body=b"bill")])
    assert await queues.bodies("bills") == [b"bill"]
    assert (await queues.depth()).in_flight == 1
    await queues.store.complete([current])


async def test_several_messages_that_are_all_lost_change_nothing(queues: Queues) -> None:
    await queues.send(b"a", b"b")
    lost = await queues.receive()
    for message in lost:
        await queues.store.release(message, NONE)
    current = await queues.receive()
    with pytest.raises(ReceiptLost):
        await queues.store.complete(lost, [OutgoingMessage(queue="bills", body=b"bill")])
    assert await queues.bodies("bills") == []
    await queues.store.complete(current)


async def test_an_output_that_is_too_large_leaves_the_message_as_it_was(queues: Queues) -> None:
    await queues.send(b"a")
    message = await queues.receive_one()
    too_large = OutgoingMessage(queue="orders", body=b"x" * (queues.max_body + 1))
    with pytest.raises(MessageTooLarge):
        await queues.store.complete([message], [too_large])
    await queues.store.complete([message])
    assert await queues.bodies() == []


async def test_a_lease_that_ended_still_settles_while_nobody_else_took_the_message(queues: Queues) -> None:
    await queues.send(b"a")
    message = await queues.receive_one()
    queues.clock.advance(2 * MINUTE)
    await queues.store.complete([message])
    assert await queues.receive() == []


@pytest.mark.parametrize("step", ["complete", "release", "poison"])
async def test_a_late_finisher_changes_nothing(queues: Queues, step: str) -> None:
    await queues.send(b"a")
    late = await queues.receive_one()
    queues.clock.advance(2 * MINUTE)
    current = await queues.receive_one()
    output = OutgoingMessage(queue="bills", body=b"bill")
    with pytest.raises(ReceiptLost):
        if step == "complete":
            await queues.store.complete([late], [output])
        elif step == "release":
            await queues.store.release(late, NONE)
        else:
            await queues.store.poison(late, output)
    assert await queues.bodies("bills") == []
    assert await queues.receive() == []
    await queues.store.complete([current])


@pytest.mark.parametrize("first", ["complete", "release"])
async def test_a_message_is_settled_only_once(queues: Queues, first: str) -> None:
    await queues.send(b"a")
    message = await queues.receive_one()
    if first == "complete":
        await queues.store.complete([message])
    else:
        await queues.store.release(message, NONE)
    for settle in (queues.store.complete([message]), queues.store.release(message, NONE)):
        with pytest.raises(ReceiptLost):
            await settle


async def test_a_released_message_comes_back_after_its_delay_and_has_counted(queues: Queues) -> None:
    await queues.send(b"a")
    await queues.store.release(await queues.receive_one(), MINUTE)
    assert await queues.receive() == []
    queues.clock.advance(MINUTE)
    assert (await queues.receive_one()).dequeue_count == 2


@not_on_sqs(COUNTS)
async def test_a_release_that_does_not_count_uses_up_nothing(queues: Queues) -> None:
    await queues.send(b"a")
    for _ in range(3):
        message = await queues.receive_one()
        assert message.dequeue_count == 1
        await queues.store.release(message, NONE, count=False)


@not_on_sqs("SQS cannot change a message")
async def test_a_release_may_change_the_properties_and_leaves_them_otherwise(queues: Queues) -> None:
    await queues.store.send([OutgoingMessage(queue="orders", body=b"a", properties={"a": 1})])
    await queues.store.release(await queues.receive_one(), NONE)
    message = await queues.receive_one()
    assert message.properties == {"a": 1}
    await queues.store.release(message, NONE, properties={"b": 2})
    message = await queues.receive_one()
    assert message.properties == {"b": 2}
    await queues.store.release(message, NONE, properties={})
    assert (await queues.receive_one()).properties == {}


async def test_poison_takes_the_place_of_the_message(queues: Queues) -> None:
    await queues.send(b"a")
    message = await queues.receive_one()
    poison = OutgoingMessage(
        queue="orders-poison", body=b"a", properties={"poison": {"error": "E"}}, ttl=None
    )
    await queues.store.poison(message, poison)
    queues.clock.advance(10 * MINUTE)
    assert await queues.receive() == []
    moved = await queues.receive_one("orders-poison")
    assert (moved.body, moved.properties, moved.dequeue_count) == (b"a", {"poison": {"error": "E"}}, 1)


async def test_what_is_sent_with_poison_arrives_with_it(queues: Queues) -> None:
    await queues.send(b"a")
    poison = OutgoingMessage(queue="orders-poison", body=b"a")
    reply = OutgoingMessage(queue="replies", body=b"failed")
    await queues.store.poison(await queues.receive_one(), poison, [reply])
    assert await queues.bodies("orders-poison") == [b"a"]
    assert await queues.bodies("replies") == [b"failed"]
    assert await queues.receive() == []


async def test_what_is_too_large_to_be_sent_with_poison_leaves_all_as_it_was(queues: Queues) -> None:
    await queues.send(b"a")
    message = await queues.receive_one()
    poison = OutgoingMessage(queue="orders-poison", body=b"a")
    reply = OutgoingMessage(queue="replies", body=b"x" * 2 * 1024 * 1024)
    with pytest.raises(MessageTooLarge):
        await queues.store.poison(message, poison, [reply])
    assert await queues.bodies("orders-poison") == []
    await queues.store.complete([message])


@not_on_sqs("SQS makes no exception from its limit")
async def test_a_body_over_the_limit_can_still_be_given_up(queues: Queues) -> None:
    await queues.send(b"a")
    poison = OutgoingMessage(queue="orders-poison", body=b"x" * (MAX_BODY + 1))
    await queues.store.poison(await queues.receive_one(), poison)
    assert len((await queues.receive_one("orders-poison")).body) == MAX_BODY + 1


# -- renewing


@not_on_account(SECONDS)
async def test_a_renewed_message_stays_hidden_and_keeps_its_receipt(queues: Queues) -> None:
    await queues.send(b"a")
    message = await queues.receive_one()
    queues.clock.advance(MINUTE / 2)
    await queues.store.renew([message], MINUTE)
    queues.clock.advance(MINUTE / 2)
    assert await queues.receive() == []
    queues.clock.advance(MINUTE / 4)
    await queues.store.complete([message])


async def test_renewing_passes_over_what_is_lost(queues: Queues) -> None:
    await queues.send(b"a", b"b")
    lost, kept = await queues.receive()
    await queues.store.complete([lost])
    await queues.store.renew([lost, kept], 3 * MINUTE)
    queues.clock.advance(2 * MINUTE)
    assert await queues.receive() == []


async def test_a_late_renewal_does_not_hide_what_another_holds(queues: Queues) -> None:
    await queues.send(b"a")
    late = await queues.receive_one()
    queues.clock.advance(MINUTE)
    await queues.receive_one()
    await queues.store.renew([late], 10 * MINUTE)
    queues.clock.advance(MINUTE)
    assert (await queues.receive_one()).dequeue_count == 3


# -- waiting


async def _wait_begun(queues: Queues, queue: str = "orders") -> asyncio.Task[None]:
    """A wait for an hour at most, after a look that found nothing."""
    assert await queues.receive(queue=queue) == []
    waiting = asyncio.ensure_future(queues.store.wait(queue, timedelta(hours=1)))
    await asyncio.sleep(0)
    assert not waiting.done()
    return waiting


async def test_a_wait_ends_when_a_message_is_sent(queues: Queues) -> None:
    waiting = await _wait_begun(queues)
    await queues.send(b"a")
    await asyncio.wait_for(waiting, DEADLINE)
    assert await queues.bodies() == [b"a"]


async def test_a_message_sent_between_the_look_and_the_wait_is_not_missed(queues: Queues) -> None:
    assert await queues.receive() == []
    await queues.send(b"a")
    await asyncio.wait_for(queues.store.wait("orders", timedelta(hours=1)), DEADLINE)


@pytest.mark.parametrize("step", ["complete", "poison"])
async def test_a_wait_ends_when_a_settlement_puts_something_there(queues: Queues, step: str) -> None:
    waiting = await _wait_begun(queues, "bills")
    await queues.send(b"a")
    message = await queues.receive_one()
    output = OutgoingMessage(queue="bills", body=b"bill")
    await (
        queues.store.complete([message], [output])
        if step == "complete"
        else queues.store.poison(message, output)
    )
    await asyncio.wait_for(waiting, DEADLINE)


async def test_a_wait_ends_when_a_message_is_released(queues: Queues) -> None:
    await queues.send(b"a")
    message = await queues.receive_one()
    waiting = await _wait_begun(queues)
    await queues.store.release(message, NONE)
    await asyncio.wait_for(waiting, DEADLINE)


async def test_a_wait_ends_when_a_delayed_message_becomes_due(queues: Queues) -> None:
    soon = queues.clock.now() + timedelta(milliseconds=20)
    await queues.store.send([OutgoingMessage(queue="orders", body=b"a", visible_at=soon)])
    waiting = await _wait_begun(queues)
    await asyncio.wait_for(waiting, DEADLINE)


async def test_a_wait_ends_when_the_lease_of_a_message_does(queues: Queues) -> None:
    await queues.send(b"a")
    await queues.store.receive("orders", 1, timedelta(milliseconds=20))
    waiting = await _wait_begun(queues)
    await asyncio.wait_for(waiting, DEADLINE)


@not_on_sqs("on SQS the waiting is done by receiving")
async def test_a_wait_is_not_ended_by_a_message_that_has_expired(queues: Queues) -> None:
    await queues.store.send([OutgoingMessage(queue="orders", body=b"a", ttl=MINUTE)])
    queues.clock.advance(2 * MINUTE)
    # A store may hear of its own sending a second time, so the first wait proves nothing.
    for _ in range(3):
        assert await queues.receive() == []
        waiting = asyncio.ensure_future(queues.store.wait("orders", timedelta(hours=1)))
        await asyncio.wait([waiting], timeout=0.1)
    assert not waiting.done()
    waiting.cancel()


async def test_a_wait_ends_at_its_limit(queues: Queues) -> None:
    await queues.receive()
    await asyncio.wait_for(queues.store.wait("orders", timedelta(milliseconds=10)), DEADLINE)
    await asyncio.wait_for(queues.store.wait("orders", NONE), DEADLINE)


# -- looking


async def test_what_was_looked_at_is_still_there_to_be_received(queues: Queues) -> None:
    sent = OutgoingMessage(queue="orders", body=b"\xff", properties={"p": 1})
    await queues.store.send([sent])
    peeked = await queues.peek_one()
    assert (peeked.state, peeked.body, peeked.properties, peeked.dequeue_count) == (
        "visible",
        b"\xff",
        {"p": 1},
        0,
    )
    assert (await queues.receive_one()).id == peeked.id


async def test_what_a_message_was_released_with_comes_with_its_next_delivery(queues: Queues) -> None:
    await queues.send(b"a")
    for count in (1, 2):
        message = await queues.receive_one()
        await queues.store.release(message, timedelta(0), properties={"failures": count})
        assert message.properties.get("failures") == (None if count == 1 else 1)


@not_on_sqs(PEEKS)
async def test_a_look_takes_nothing_and_tells_the_state(queues: Queues) -> None:
    await queues.store.send([OutgoingMessage(queue="orders", body=b"a", properties={"p": 1})])
    peeked = await queues.peek_one()
    assert (peeked.state, peeked.body, peeked.properties, peeked.dequeue_count) == (
        "visible",
        b"a",
        {"p": 1},
        0,
    )
    message = await queues.receive_one()
    assert (await queues.peek_one()).state == "in flight"
    assert (await queues.peek_one()).id == message.id
    await queues.store.release(message, MINUTE)
    peeked = await queues.peek_one()
    assert (peeked.state, peeked.dequeue_count) == ("delayed", 1)
    assert peeked.visible_at == queues.clock.now() + MINUTE


@not_on_sqs(PEEKS)
async def test_a_look_shows_the_oldest_first_and_no_more_than_asked_for(queues: Queues) -> None:
    await queues.send(b"a", b"b", b"c")
    assert [peeked.body for peeked in await queues.store.peek("orders", 2)] == [b"a", b"b"]
    assert await queues.store.peek("nothing", 2) == []


@not_on_sqs("SQS does not tell the age of the oldest message")
async def test_depths_count_what_each_queue_holds(queues: Queues) -> None:
    oldest = queues.clock.now()
    await queues.send(b"a")
    queues.clock.advance(MINUTE)
    later = queues.clock.now() + MINUTE
    await queues.send(b"b", b"c")
    await queues.store.send([OutgoingMessage(queue="orders", body=b"d", visible_at=later)])
    await queues.receive(1)
    assert await queues.store.depths() == [
        QueueDepth(queue="orders", visible=2, delayed=1, in_flight=1, oldest=oldest)
    ]


@not_on_sqs(PEEKS)
async def test_a_message_whose_lease_ended_counts_as_visible(queues: Queues) -> None:
    await queues.send(b"a")
    await queues.receive_one()
    queues.clock.advance(MINUTE)
    depth = await queues.depth()
    assert (depth.visible, depth.in_flight) == (1, 0)
    assert (await queues.peek_one()).state == "visible"


@not_on_account(ROUGHLY)
async def test_an_emptied_queue_still_exists_and_names_are_in_order(queues: Queues) -> None:
    await queues.send(b"a", queue="returns")
    await queues.send(b"a", queue="orders")
    await queues.store.complete([await queues.receive_one("returns")])
    depths = await queues.store.depths()
    assert [depth.queue for depth in depths] == ["orders", "returns"]
    assert depths[1] == QueueDepth(queue="returns", visible=0, delayed=0, in_flight=0, oldest=None)
