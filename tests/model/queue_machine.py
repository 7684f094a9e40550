"""The steps that senders and hosts take on queues, whatever store keeps them, each compared with the model."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import timedelta
from itertools import count
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, initialize, multiple
from model.hosts import OUTSIDE, WallClock
from model.queue_model import Delivery, QueueModel
from model.schedules import chosen_by, step

from funchost.bindings.errors import MessageTooLarge, ReceiptLost
from funchost.bindings.queue import OutgoingMessage, QueueStore
from funchost.bindings.table import EntityConflict, OutgoingEntity, TableStore

T = TypeVar("T")

#: Longer bodies are refused.
MAX_BODY = 20

QUEUES = ("jobs", "others")
POISON = "jobs-poison"

TOO_LARGE = OutgoingMessage(queue="others", body=b"x" * (MAX_BODY + 1))

queue_names = st.sampled_from(QUEUES)
delays = st.sampled_from([timedelta(0), timedelta(seconds=5), timedelta(minutes=2)])
leases = st.sampled_from([timedelta(seconds=30), timedelta(minutes=10)])
lifetimes = st.sampled_from([None, timedelta(seconds=40), timedelta(days=7)])
#: More than a lease lasts, one second less, and others.
passing = st.sampled_from([timedelta(seconds=seconds) for seconds in (40, 29, 1, 660)])
settings_of_clocks = st.sampled_from(
    [
        timedelta(0),
        timedelta(0),
        timedelta(0),
        timedelta(seconds=-10),
        timedelta(hours=-1),
        timedelta(hours=1),
    ]
)
#: Whether one of the messages is refused, and with it all else.
refusals = st.sampled_from([False, False, False, True])
rows = st.sampled_from([None, None, "row-1", "row-2"])
sessions = st.sampled_from([None, None, "anna", "bert"])
priorities = st.sampled_from([4, 4, 4, 9, 0])
dedup_ids = st.sampled_from([None, None, None, "1", "2"])


class QueueMachine(RuleBasedStateMachine):
    """Queues with a table beside them, and a model of both."""

    deliveries: Bundle[Delivery] = Bundle("deliveries")

    def __init__(self, clock: WallClock) -> None:
        super().__init__()
        self.clock = clock
        self.model = QueueModel(clock.now)
        self.is_whole = True
        self._numbers = count(1)
        self._was_received = False

    # -- of each kind of store

    def do(self, step: Coroutine[Any, Any, T]) -> T:
        """Take a step to its end."""
        raise NotImplementedError

    def queues(self, host: str) -> QueueStore:
        """The store as this host has it."""
        raise NotImplementedError

    def owner(self, host: str) -> str:
        """As whom the host holds messages."""
        raise NotImplementedError

    def awake(self) -> list[str]:
        """The hosts that can receive now."""
        raise NotImplementedError

    @property
    def tables(self) -> TableStore:
        raise NotImplementedError

    def held(self, queue: str) -> list[tuple[Any, ...]]:
        """What a queue holds: body, state, dequeue count and properties of each message, in their order."""
        return [
            (peeked.body, peeked.state, peeked.dequeue_count, peeked.properties)
            for peeked in self.do(self.queues(OUTSIDE).peek(queue, 1000))
        ]

    # -- when steps can be taken

    def filled(self) -> list[str]:
        """The queues that have something to receive; none while nobody is awake."""
        due = [queue for queue in QUEUES if any(map(self._is_due, self.model.in_order(queue)))]
        return due if self.awake() else []

    def _is_due(self, kept: Any) -> bool:
        return self.model.state(kept) == "visible"

    def is_short_of_work(self) -> bool:
        """Whether more messages make a schedule more interesting."""
        return len(self.model.messages) < 4

    def was_received(self) -> bool:
        """Whether there are deliveries to choose several from."""
        return self._was_received

    # -- sending

    @initialize(number=st.integers(2, 4), session=sessions)
    def begin_with_jobs(self, number: int, session: str | None = None) -> None:
        messages = [self.message("jobs", session_id=session) for _ in range(number)]
        self.do(self.queues(OUTSIDE).send(messages))
        self.model.send(messages)

    @step(
        "is_short_of_work",
        queue=queue_names,
        number=st.integers(1, 3),
        delay=delays,
        ttl=lifetimes,
        row=rows,
        session=sessions,
        priority=priorities,
        dedup_id=dedup_ids,
        too_large=refusals,
    )
    def send(
        self,
        queue: str,
        number: int,
        delay: timedelta,
        ttl: timedelta | None,
        row: str | None,
        session: str | None,
        priority: int,
        dedup_id: str | None,
        too_large: bool,
    ) -> None:
        said = {"session_id": session, "priority": priority, "dedup_id": dedup_id}
        messages = [self.message(queue, delay, ttl, **said) for _ in range(number)]
        messages += too_large * [TOO_LARGE]
        if self.is_let_in(self.queues(OUTSIDE).send(messages, entities(row)), row, too_large):
            self.model.send(messages, row)

    # -- receiving

    @step(
        "filled",
        target=deliveries,
        host=chosen_by("awake"),
        queue=chosen_by("filled"),
        limit=st.integers(1, 4),
        lease=leases,
    )
    def receive(self, host: str, queue: str, limit: int, lease: timedelta) -> MultipleResults[Delivery]:
        wanted = {kept.body: kept for kept in self.model.receive(queue, limit, lease, self.owner(host))}
        got = self.do(self.queues(host).receive(queue, limit, lease))
        assert sorted(message.body for message in got) == sorted(wanted), "what was received"
        for message in got:
            kept = wanted[message.body]
            assert message.dequeue_count == kept.dequeue_count, message
            assert message.next_visible_at == kept.visible_at, message
            assert message.expires_at == kept.expires_at, message
            assert message.properties == kept.properties, message
            assert (message.group, message.priority) == (kept.session, kept.priority), message
        ranks = [message.priority for message in got]
        assert ranks == sorted(ranks, reverse=True), "the order of what was received"
        self._was_received = True
        given = [(message, wanted[message.body]) for message in got]
        return multiple(*(Delivery(message, kept, kept.turn, host) for message, kept in given))

    @step("was_received", chosen=st.lists(deliveries, min_size=1, max_size=3, unique=True), lease=leases)
    def renew(self, chosen: list[Delivery], lease: timedelta) -> None:
        self.do(self.queues(chosen[0].host).renew([delivery.message for delivery in chosen], lease))
        self.model.renew(chosen, lease)

    # -- settling

    @step(
        delivery=deliveries,
        delay=delays,
        count=st.booleans(),
        note=st.sampled_from([None, "first", "second"]),
    )
    def release(self, delivery: Delivery, delay: timedelta, count: bool, note: str | None) -> None:
        properties = {"note": note} if note else None
        queues, message = self.queues(delivery.host), delivery.message
        if self.settle(delivery, queues.release(message, delay, count=count, properties=properties)):
            self.model.release(delivery, delay, count=count, properties=properties)

    @step(
        "was_received",
        chosen=st.lists(deliveries, min_size=1, max_size=3, unique=True),
        outputs=st.integers(0, 2),
        row=rows,
        too_large=refusals,
    )
    def complete_those_of_one_queue(
        self, chosen: list[Delivery], outputs: int, row: str | None, too_large: bool
    ) -> None:
        chosen = [delivery for delivery in chosen if delivery.kept.queue == chosen[0].kept.queue]
        results = [self.message(queue) for queue in QUEUES[:outputs]] + too_large * [TOO_LARGE]
        messages = [delivery.message for delivery in chosen]
        completing = self.queues(chosen[0].host).complete(messages, results, entities(row))
        if not too_large and not any(map(self.model.is_good, chosen)):
            with pytest.raises(ReceiptLost):
                self.do(completing)
        elif self.is_let_in(completing, row, too_large):
            self.model.complete(chosen, results, row)

    @step(delivery=deliveries)
    def give_up(self, delivery: Delivery) -> None:
        poison = OutgoingMessage(queue=POISON, body=delivery.message.body, ttl=None)
        if self.settle(delivery, self.queues(delivery.host).poison(delivery.message, poison)):
            self.model.complete([delivery], [poison])

    # -- time

    @step(by=passing, set_by=settings_of_clocks)
    def time_passes(self, by: timedelta, set_by: timedelta) -> None:
        """Goes on `by`; the wall clock is set `set_by` besides, as people and time servers do."""
        self.clock.advance(by)
        self.clock.set(set_by)

    # -- comparing

    def compare(self) -> None:
        for queue in (*QUEUES, POISON):
            wanted = [
                (kept.body, self.model.state(kept), kept.dequeue_count, kept.properties)
                for kept in self.model.in_order(queue)
            ]
            assert self.held(queue) == wanted, queue

    def compare_at_the_end(self) -> None:
        """What takes longer to ask for."""
        kept = self.do(self.tables.query("results", None, lambda entity: True, None))
        assert {entity.row_key for entity in kept} == self.model.entities
        for depth in self.do(self.queues(OUTSIDE).depths()):
            states = [self.model.state(message) for message in self.model.in_order(depth.queue)]
            counted = [states.count(state) for state in ("visible", "delayed", "in flight", "waiting")]
            assert [depth.visible, depth.delayed, depth.in_flight, depth.waiting] == counted, depth.queue

    def teardown(self) -> None:
        if self.is_whole:
            self.compare_at_the_end()

    # -- helpers

    def message(
        self, queue: str, delay: timedelta = timedelta(0), ttl: timedelta | None = None, **said: Any
    ) -> OutgoingMessage:
        """The next message."""
        visible_at = self.clock.now() + delay if delay else None
        body = b"m%d" % next(self._numbers)
        return OutgoingMessage(queue=queue, body=body, visible_at=visible_at, ttl=ttl, **said)

    def is_let_in(self, sending: Coroutine[Any, Any, None], row: str | None, too_large: bool) -> bool:
        """Take a step that sends; whether the model, too, lets in all of it."""
        if too_large or row in self.model.entities:
            with pytest.raises(MessageTooLarge if too_large else EntityConflict):
                self.do(sending)
            return False
        self.do(sending)
        return True

    def settle(self, delivery: Delivery, settling: Coroutine[Any, Any, None]) -> bool:
        """Take a step that needs a good receipt; whether it had to be good."""
        if self.model.is_good(delivery):
            self.do(settling)
            return True
        with pytest.raises(ReceiptLost):
            self.do(settling)
        return False


def entities(row: str | None) -> list[OutgoingEntity]:
    """One entity with this row key, which cannot be added twice; or none."""
    return [OutgoingEntity(table="results", partition_key="p", row_key=row, properties={})] if row else []
