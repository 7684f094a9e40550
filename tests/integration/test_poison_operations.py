"""Messages that were given up, as people find, mend and replay them: on the embedded store and on SQS alike."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any

import pytest
from adapters import QUEUES, Queues
from fakes import make_outcome
from memory_history import MemoryHistory
from workbenches import Bench

from funchost.bindings.errors import BindingError, NotFound
from funchost.bindings.queue import OutgoingMessage, QueueMessage
from funchost.host.operations.poison import PoisonFilter, PoisonQueues, group_document
from funchost.host.operations.poison_message import PoisonMessage, poison_document
from funchost.host.operations.poison_moves import delete, edit, replay
from funchost.triggers.base import ErrorInfo, Outcome, Status
from funchost.triggers.poison import poison_message, with_failure

BAD = "orders-poison"


class PoisonBench(Bench):
    """A workbench on queues in which messages can be given up as listeners do that."""

    def __init__(self, queues: Queues) -> None:
        super().__init__(queues.store, queues.clock)
        self.queues = queues
        self.poison = PoisonQueues(self.workbench)

    async def give_up(
        self, body: bytes, error: str, *, function: str = "Work", queue: str = "orders"
    ) -> None:
        """Send a message, have it fail twice, and give it up."""
        await self.store.send(
            [OutgoingMessage(queue=queue, body=body, properties={"parent": "run-0", "traceparent": "t"})]
        )
        message = await self._next(queue)
        failures = with_failure(message, self._failed("run-1", error, function))
        await self.store.release(message, timedelta(0), properties=failures)
        message = await self._next(queue)
        outcome = self._failed("run-2", error, function)
        await self.store.poison(
            message, poison_message(message, outcome, function, f"{queue}-poison", self.clock.now())
        )
        self.clock.advance(timedelta(minutes=1))

    async def _next(self, queue: str) -> QueueMessage:
        return await self.queues.receive_one(queue)

    def _failed(self, run: str, error: str, function: str) -> Outcome:
        outcome = make_outcome(
            Status.FAILED, ErrorInfo("ValueError", error, f"Traceback\nValueError: {error}")
        )
        outcome.invocation_id, outcome.function = run, function
        outcome.started = outcome.ended = self.clock.now()
        return outcome

    async def find(self, **wanted: Any) -> list[bytes]:
        return sorted(one.message.body for one in await self.chosen(**wanted))

    async def chosen(self, **wanted: Any) -> list[PoisonMessage]:
        async with aclosing(self.poison.find(PoisonFilter(**wanted), whole=True)) as messages:
            return [message async for message in messages]

    async def replay(self, chosen: Sequence[PoisonMessage], **how: Any) -> list[str]:
        async with aclosing(replay(self.workbench, chosen, **how)) as done:
            return [message.id async for message in done]

    async def delete(self, chosen: Sequence[PoisonMessage]) -> list[str]:
        async with aclosing(delete(self.workbench, chosen)) as done:
            return [message.id async for message in done]


@pytest.fixture(params=["embedded", "memory", "sqs"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[PoisonBench]:
    async with QUEUES[request.param](request) as queues:
        yield PoisonBench(queues)


@pytest.fixture
async def embedded(request: pytest.FixtureRequest) -> AsyncIterator[PoisonBench]:
    async with QUEUES["embedded"](request) as queues:
        yield PoisonBench(queues)


def moment(text: Any) -> datetime:
    return datetime.fromisoformat(text)


# -- found


async def test_messages_are_grouped_by_function_and_error_with_the_largest_group_first(
    bench: PoisonBench,
) -> None:
    began = bench.clock.now()
    await bench.give_up(b"1", "no such item\nand more")
    await bench.give_up(b"2", "too many")
    await bench.give_up(b"3", "no such item\nand other")
    await bench.give_up(b"4", "no such item", function="Other")
    groups = [group_document(group) for group in await bench.poison.groups()]
    assert [(one["function"], one["error"], one["message"], one["count"]) for one in groups] == [
        ("Work", "ValueError", "no such item", 2),
        ("Other", "ValueError", "no such item", 1),
        ("Work", "ValueError", "too many", 1),
    ]
    assert {one["queue"] for one in groups} == {BAD}
    first, last = moment(groups[0]["first"]), moment(groups[0]["last"])
    assert (first, last) == (began, began + timedelta(minutes=2))
    assert (await bench.poison.get(groups[0]["example"])).message.body == b"3"


async def test_an_error_that_names_what_it_was_about_is_one_group(bench: PoisonBench) -> None:
    await bench.give_up(b"1", "order a17 has no price")
    await bench.give_up(b"2", "order 6f9619ff-8b86-d011-b42d-00c04fc964ff has no price")
    await bench.give_up(b"3", "order b3 has no customer")
    groups = await bench.poison.groups()
    assert [(group.message, group.count) for group in groups] == [
        ("order … has no price", 2),
        ("order b3 has no customer", 1),
    ]


async def test_filters_are_put_together(bench: PoisonBench) -> None:
    await bench.give_up(b"1", "no such item")
    await bench.give_up(b"2", "too many", function="Other")
    since = bench.clock.now()
    await bench.give_up(b"3", "no such item")
    await bench.give_up(b"4", "no such item", queue="jobs")
    assert await bench.find() == [b"1", b"2", b"3", b"4"]
    assert await bench.find(queue="orders") == await bench.find(queue=BAD) == [b"1", b"2", b"3"]
    assert await bench.find(function="OTHER") == [b"2"]
    assert await bench.find(error="valueerror: NO SUCH") == [b"1", b"3", b"4"]
    assert await bench.find(since=since, queue="orders") == [b"3"]
    assert await bench.find(queue="none") == await bench.find(error="other") == []


async def test_what_another_program_put_into_a_poison_queue_is_found_too(bench: PoisonBench) -> None:
    await bench.queues.send(b"theirs", queue=BAD)
    [found] = await bench.chosen()
    assert (found.origin, found.reason.error, found.given_up) == ("orders", "", found.message.inserted_at)
    [group] = await bench.poison.groups()
    assert (group.function, group.error, group.count) == (None, "", 1)


async def test_messages_of_other_queues_are_none_that_were_given_up(bench: PoisonBench) -> None:
    await bench.queues.send(b"alive", b"too")
    assert await bench.find() == []
    assert {message.dequeue_count for message in await bench.queues.receive()} == {1}


async def test_a_live_queue_that_is_named_is_not_gone_through(bench: PoisonBench) -> None:
    await bench.queues.send(b"alive", b"too")
    assert await bench.find(queue="orders") == []
    # On SQS one of them is looked at: it might be a poison queue by another name.
    assert sum(message.dequeue_count for message in await bench.queues.receive()) <= 3


async def test_a_poison_queue_of_another_name_is_looked_into_where_it_is_named(bench: PoisonBench) -> None:
    reason = {"queue": "orders", "error": "E", "message": "m", "runs": ["run-9"]}
    await bench.store.send([OutgoingMessage(queue="bad", body=b"given up", properties={"poison": reason})])
    assert await bench.find(queue="bad") == [b"given up"]


async def test_a_poison_queue_of_any_name_is_known_by_the_reasons_in_it(embedded: PoisonBench) -> None:
    reason = {"queue": "orders", "error": "E", "message": "m", "runs": ["run-9"]}
    await embedded.store.send(
        [
            OutgoingMessage(queue="bad", body=b"given up", properties={"poison": reason}),
            OutgoingMessage(queue="bad", body=b"not given up", properties={"poison": "a word"}),
        ]
    )
    assert await embedded.find() == await embedded.find(queue="bad") == [b"given up"]


async def test_a_message_is_named_by_the_beginning_of_its_id_or_of_that_before(bench: PoisonBench) -> None:
    await bench.give_up(b"1", "no such item")
    [found] = await bench.chosen()
    before = found.reason.message_id
    assert before not in (None, found.id)
    for name in (found.id, found.id[:13], before):
        assert (await bench.poison.get(name or "")).message.body == b"1"
    with pytest.raises(NotFound, match="No message with the id 'zz'"):
        await bench.poison.get("zz")


async def test_an_id_that_begins_several_is_refused_with_their_ids(bench: PoisonBench) -> None:
    bodies = [b"%d" % number for number in range(20)]  # some two of them begin alike
    for body in bodies:
        await bench.queues.send(body, queue=BAD)
    ids = sorted(one.id for one in await bench.chosen())
    beginning = next(one[0] for one, other in itertools.pairwise(ids) if one[0] == other[0])
    with pytest.raises(NotFound, match=f"'{beginning}' begins the ids of"):
        await bench.poison.get(beginning)


async def test_a_document_has_all_of_the_reason_and_the_body(bench: PoisonBench) -> None:
    await bench.give_up(b"\xff\x00", "no such item")
    document = poison_document((await bench.chosen())[0])
    assert (document["bodyBase64"], document["runs"]) == ("/wA=", ["run-1", "run-2"])
    assert (document["queue"], document["origin"], document["function"]) == (BAD, "orders", "Work")
    assert document["traceback"] == "Traceback\nValueError: no such item"
    assert (document["attempts"], document["dequeueCount"]) == (2, 2)
    assert document["properties"] == {"parent": "run-0", "traceparent": "t"}


async def test_runs_are_looked_up_where_the_history_has_them(bench: PoisonBench) -> None:
    assert isinstance(bench.history, MemoryHistory)
    await bench.give_up(b"1", "no such item")
    [found] = await bench.chosen()
    assert await bench.poison.runs(found) == {"run-1": None, "run-2": None}


# -- replayed


async def test_a_replayed_message_starts_over_and_says_which_run_it_repeats(bench: PoisonBench) -> None:
    await bench.give_up(b"1", "no such item")
    chosen = await bench.chosen()
    assert await bench.replay(chosen) == [chosen[0].id]
    message = await bench.queues.receive_one()
    assert (message.body, message.dequeue_count) == (b"1", 1)
    assert message.properties == {"parent": "run-0", "traceparent": "t", "replayOf": "run-2"}
    assert await bench.find() == []
    action, target, detail = bench.audit.rows[0]
    assert (action, target, detail["messages"]) == ("poison.replay", chosen[0].id, 1)


async def test_what_fails_again_is_given_up_again_with_its_own_reason(bench: PoisonBench) -> None:
    await bench.give_up(b"1", "no such item")
    await bench.replay(await bench.chosen())
    message = await bench.queues.receive_one()
    outcome = make_outcome(Status.FAILED, ErrorInfo("TypeError", "worse"))
    await bench.store.poison(message, poison_message(message, outcome, "Work", BAD, bench.clock.now()))
    [found] = await bench.chosen()
    assert (found.reason.error, found.reason.runs) == ("TypeError", ("run-1",))


async def test_messages_may_be_moved_to_another_queue(bench: PoisonBench) -> None:
    await bench.give_up(b"1", "no such item")
    await bench.give_up(b"2", "no such item", queue="jobs")
    assert len(await bench.replay(await bench.chosen(), to="later")) == 2
    assert sorted(await bench.queues.bodies("later")) == [b"1", b"2"]


async def test_messages_of_another_program_go_where_their_queues_name_says(bench: PoisonBench) -> None:
    await bench.queues.send(b"theirs", queue=BAD)
    await bench.replay(await bench.chosen())
    message = await bench.queues.receive_one()
    assert (message.body, message.properties) == (b"theirs", {})


async def test_a_message_that_does_not_say_where_it_came_from_is_refused_before_any_is_moved(
    bench: PoisonBench,
) -> None:
    await bench.give_up(b"1", "no such item")
    await bench.queues.send(b"blob", queue="webjobs-blobtrigger-poison")
    with pytest.raises(BindingError, match="does not say which queue it came from"):
        await bench.replay(await bench.chosen())
    assert await bench.find() == [b"1", b"blob"]
    assert bench.audit.rows == []


async def test_messages_are_not_moved_to_where_they_are(bench: PoisonBench) -> None:
    await bench.give_up(b"1", "no such item")
    with pytest.raises(BindingError, match="is in orders-poison already"):
        await bench.replay(await bench.chosen(), to=BAD)


async def test_a_rate_is_kept(bench: PoisonBench, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    class NoTime:
        def __init__(self, rate: float | None) -> None:
            pauses.append(rate or 0)

        async def turns(self) -> None:
            pauses.append(1)

    monkeypatch.setattr("funchost.host.operations.poison_moves.Pace", NoTime)
    for number in range(3):
        await bench.give_up(b"%d" % number, "no such item")
    assert len(await bench.replay(await bench.chosen(), rate=10.0)) == 3
    assert pauses == [10.0, 1, 1, 1, 1]


async def test_a_session_and_a_priority_stay_and_the_id_that_drops_duplicates_goes(
    embedded: PoisonBench,
) -> None:
    await embedded.store.send(
        [
            OutgoingMessage(queue=BAD, body=b"%d" % number, session_id="s", priority=7, dedup_id=f"d{number}")
            for number in range(2)
        ]
    )
    assert len(await embedded.replay(await embedded.chosen())) == 2
    first = await embedded.queues.receive()
    assert {(message.group, message.priority, message.dedup_id) for message in first} == {("s", 7, None)}


async def test_a_message_comes_back_into_the_session_that_it_was_given_up_from(embedded: PoisonBench) -> None:
    await embedded.store.send([OutgoingMessage(queue="orders", body=b"1", session_id="s", priority=7)])
    message = await embedded.queues.receive_one()
    given_up = poison_message(message, None, "Work", BAD, embedded.clock.now())
    await embedded.store.poison(message, given_up)
    assert poison_document((await embedded.chosen())[0])["sessionId"] == "s"
    await embedded.replay(await embedded.chosen())
    again = await embedded.queues.receive_one()
    assert (again.group, again.priority) == ("s", 7)


# -- mended and deleted


async def test_an_edited_body_takes_the_place_of_the_old_one_and_the_reason_stays(bench: PoisonBench) -> None:
    await bench.give_up(b"bad", "no such item")
    [found] = await bench.chosen()
    assert await edit(bench.workbench, found, b"good")
    [found] = await bench.chosen()
    assert (found.message.body, found.reason.error) == (b"good", "ValueError")
    assert found.reason.edited == bench.clock.now()
    assert bench.audit.rows[-1][0] == "poison.edit"
    await bench.replay([found])
    assert await bench.queues.bodies() == [b"good"]


async def test_the_same_body_changes_nothing(bench: PoisonBench) -> None:
    await bench.give_up(b"bad", "no such item")
    [found] = await bench.chosen()
    assert not await edit(bench.workbench, found, b"bad")
    assert bench.audit.rows == []
    assert (await bench.chosen())[0].reason.edited is None


async def test_what_is_gone_meanwhile_is_not_edited_and_that_is_told(bench: PoisonBench) -> None:
    await bench.give_up(b"bad", "no such item")
    [found] = await bench.chosen()
    await bench.replay([found])
    with pytest.raises(NotFound, match="is no longer in orders-poison"):
        await edit(bench.workbench, found, b"good")
    assert await bench.queues.bodies() == [b"bad"]


async def test_what_somebody_else_has_edited_meanwhile_is_left_alone(embedded: PoisonBench) -> None:
    await embedded.give_up(b"bad", "no such item")
    [found] = await embedded.chosen()
    await edit(embedded.workbench, found, b"theirs")
    with pytest.raises(NotFound):
        await edit(embedded.workbench, found, b"mine")
    assert await embedded.find() == [b"theirs"]


async def test_only_the_messages_that_are_meant_are_deleted(bench: PoisonBench) -> None:
    await bench.give_up(b"1", "no such item")
    await bench.give_up(b"2", "too many")
    assert len(await bench.delete(await bench.chosen(error="too many"))) == 1
    assert await bench.find() == [b"1"]
    assert await bench.queues.bodies() == []
