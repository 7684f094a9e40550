"""Records of runs on a real store, written by the executor's course of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes import ManualClock, make_function

from funchost.bindings.embedded_history import EmbeddedHistory
from funchost.bindings.embedded_queue import EmbeddedQueues
from funchost.bindings.history import OutputRef, RunFilter, RunRecord, RunState
from funchost.bindings.queue import OutgoingMessage
from funchost.bindings.store import Store
from funchost.host.execution.run import Run
from funchost.host.history.recorder import Limits, Recorder
from funchost.triggers.base import Cause, ErrorInfo, Outcome, Status, TriggerEvent
from funchost.triggers.descriptor import HistoryMode, Policy

#: A deadline for what should happen at once.
SOON = 10.0

HEADERS = [["authorization", "Bearer xyz"], ["accept", "*/*"], ["X-Api-Key", "k"], ["cookie", "a=b"]]


@dataclass
class Bench:
    """A recorder on a store of its own."""

    store: Store
    history: EmbeddedHistory
    recorder: Recorder
    clock: ManualClock
    #: Set when something is reported.
    troubled: asyncio.Event

    def start(self, event: TriggerEvent | None = None, mode: HistoryMode = HistoryMode.ALL) -> Run:
        function = make_function(name="Work", policy=Policy(history=mode))
        run = Run(function, event or TriggerEvent(kind="queue", body=b"hello"), self.clock)
        self.recorder.started(run)
        return run

    async def end(self, run: Run, status: Status = Status.SUCCEEDED, **parts: Any) -> RunRecord:
        self.finish(run, status, **parts)
        return await self.get(run)

    def finish(self, run: Run, status: Status = Status.SUCCEEDED, **parts: Any) -> Outcome:
        outcome = run.outcome(status, parts.pop("error", None))
        for name, value in parts.items():
            setattr(outcome, name, value)
        self.recorder.settling(run, outcome)
        self.recorder.ended(run, outcome)
        return outcome

    async def get(self, run: Run) -> RunRecord:
        await self.store.write(lambda _: None)
        return await self.history.get(run.invocation_id)

    async def ids(self) -> list[str]:
        return [record.id for record in await self.history.list(RunFilter(), 100)]

    async def until_state(self, run: Run, state: RunState) -> RunRecord:
        async with asyncio.timeout(SOON):
            while True:
                found = await self.history.list(RunFilter(states=(state,)), 10)
                if run.invocation_id in [record.id for record in found]:
                    return await self.history.get(run.invocation_id)
                await asyncio.sleep(0.01)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    clock = ManualClock()
    store = Store(tmp_path, clock=clock)
    history = EmbeddedHistory(store, content_folder=tmp_path / "runs")
    limits = Limits(inline=100, content=10_000)
    troubled = asyncio.Event()
    recorder = Recorder(history, store, "host-1", limits=limits, report=lambda text: troubled.set())
    yield Bench(store, history, recorder, clock, troubled)
    await recorder.close()
    await store.close()


async def test_a_run_is_recorded_with_what_it_got_and_gave(bench: Bench) -> None:
    cause = Cause(
        origin="orders",
        message="m-1",
        queued=bench.clock.now() - timedelta(seconds=5),
        dequeue_count=2,
        properties={"parent": "p-1", "replayOf": "r-1"},
    )
    run = bench.start(TriggerEvent(kind="queue", body=b"hello", cause=cause))
    run.outputs = [OutputRef("queue", "bills", 4)]
    bench.recorder.said({"invocation": run.invocation_id, "level": "warning"}, "mind\nthe gap")
    bench.recorder.said({"invocation": run.invocation_id, "level": "info", "system": True}, "not this")
    bench.recorder.said({"invocation": "another"}, "nor this")
    bench.clock.advance(timedelta(seconds=2))
    record = await bench.end(run, kind="text", body=b"done")
    assert record.state is RunState.SUCCEEDED
    assert (record.function, record.trigger, record.host) == ("Work", "queueTrigger", "host-1")
    assert (record.origin, record.message, record.dequeue_count) == ("orders", "m-1", 2)
    assert (record.parent, record.replay_of, record.queued) == ("p-1", "r-1", cause.queued)
    assert record.duration == 2.0
    assert record.trace_id == run.trace.parent[3:35]
    assert record.input.data == b"hello"
    assert (record.output.kind, record.output.data) == ("text", b"done")
    assert [*record.outputs] == [OutputRef("queue", "bills", 4)]
    assert record.log.data == b"2026-03-01T12:00:00.000Z warning mind\nthe gap\n"


async def test_a_record_and_what_it_is_about_are_one_transaction(bench: Bench) -> None:
    queues = EmbeddedQueues(bench.store, "host-1")
    await queues.send([OutgoingMessage(queue="orders", body=b"1")])
    (message,) = await queues.receive("orders", 1)
    transactions: list[str] = []
    await bench.store.write(lambda connection: connection.set_trace_callback(transactions.append))
    run = bench.start()
    outcome = run.outcome(Status.SUCCEEDED)
    bench.recorder.settling(run, outcome)
    await queues.complete([message])
    bench.recorder.ended(run, outcome)
    await bench.store.write(lambda connection: connection.set_trace_callback(None))
    whole = "\n".join(transactions).split("COMMIT")
    (settled,) = [part for part in whole if "DELETE FROM messages" in part]
    assert "INSERT INTO run_journal" in settled
    assert (await bench.history.get(run.invocation_id)).state is RunState.SUCCEEDED


async def test_a_record_that_nothing_takes_along_is_written_soon(bench: Bench) -> None:
    run = bench.start()
    bench.finish(run)
    await bench.until_state(run, RunState.SUCCEEDED)


async def test_a_failure_tells_why_and_what_came_before(bench: Bench) -> None:
    run = bench.start()
    bench.recorder.retrying(run, ErrorInfo("ValueError", "first\nsecond line"), 1.5)
    run.attempts = 2
    record = await bench.end(run, Status.FAILED, error=ErrorInfo("ValueError", "no", "Traceback…"))
    assert (record.state, record.attempts) == (RunState.FAILED, 2)
    assert (record.error_type, record.error_message, record.error_traceback) == (
        "ValueError",
        "no",
        "Traceback…",
    )
    assert [step.text for step in record.steps] == [
        "Attempt 1 failed: ValueError: first; another follows in 1.5 s."
    ]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (Status.TIMED_OUT, RunState.TIMED_OUT),
        (Status.INTERRUPTED, RunState.INTERRUPTED),
        (Status.LOST_LEASE, RunState.LOST_LEASE),
    ],
)
async def test_every_end_has_its_state(bench: Bench, status: Status, state: RunState) -> None:
    assert (await bench.end(bench.start(), status)).state is state


async def test_a_settlement_that_fails_makes_it_another_record(bench: Bench) -> None:
    run = bench.start()
    bench.recorder.settling(run, run.outcome(Status.SUCCEEDED))
    assert (await bench.get(run)).state is RunState.SUCCEEDED
    failed = run.outcome(Status.FAILED, ErrorInfo("StoreError", "full"))
    bench.recorder.settling(run, failed)
    bench.recorder.ended(run, failed)
    assert (await bench.get(run)).state is RunState.FAILED


async def test_a_lease_that_showed_to_be_lost_makes_it_another_record(bench: Bench) -> None:
    run = bench.start()
    outcome = run.outcome(Status.SUCCEEDED)
    bench.recorder.settling(run, outcome)
    outcome.status = Status.LOST_LEASE
    bench.recorder.ended(run, outcome)
    assert (await bench.get(run)).state is RunState.LOST_LEASE


async def test_a_run_that_takes_long_is_shown_as_running(bench: Bench) -> None:
    run = bench.start()
    bench.clock.advance(timedelta(seconds=1))
    record = await bench.until_state(run, RunState.RUNNING)
    assert record.ended is None
    assert (await bench.end(run)).state is RunState.SUCCEEDED
    assert await bench.ids() == [run.invocation_id]


async def test_a_run_that_has_just_begun_has_no_record_unless_one_is_asked_for(bench: Bench) -> None:
    first, second = bench.start(), bench.start(mode=HistoryMode.FAILURES)
    await bench.recorder.keep(second.invocation_id)
    assert await bench.ids() == [second.invocation_id]
    bench.finish(first)
    assert (await bench.end(second)).state is RunState.SUCCEEDED


@pytest.mark.parametrize("mode", [HistoryMode.NONE, HistoryMode.FAILURES])
@pytest.mark.parametrize(
    "event",
    [
        TriggerEvent(
            kind="http",
            data={"method": "GET", "url": "http://a/", "headers": [], "params": {}},
            run_id="run-1",
        ),
        TriggerEvent(kind="queue", cause=Cause(properties={"callbackUrl": "http://a/"})),
    ],
)
async def test_what_somebody_will_ask_for_is_kept_whatever_the_function_says(
    bench: Bench, event: TriggerEvent, mode: HistoryMode
) -> None:
    run = bench.start(event, mode)
    await bench.recorder.keep(run.invocation_id)
    assert (await bench.history.get(run.invocation_id)).state is RunState.RUNNING
    assert (await bench.end(run)).state is RunState.SUCCEEDED


async def test_the_record_of_a_run_that_has_ended_is_durable_once_it_is_asked_for(bench: Bench) -> None:
    run = bench.start()
    bench.finish(run)
    await bench.recorder.keep(run.invocation_id)
    assert (await bench.history.get(run.invocation_id)).state is RunState.SUCCEEDED


async def test_progress_is_recorded_while_it_runs(bench: Bench) -> None:
    run = bench.start()
    bench.recorder.progressed(run.invocation_id, 0.4, {"step": "resize"})
    record = await bench.until_state(run, RunState.RUNNING)
    assert (record.progress, record.status) == (0.4, {"step": "resize"})
    record = await bench.end(run)
    assert (record.state, record.progress, record.status) == (RunState.SUCCEEDED, 0.4, {"step": "resize"})


async def test_only_failures_are_kept_where_a_function_says_so(bench: Bench) -> None:
    good, bad, long = (bench.start(mode=HistoryMode.FAILURES) for _ in range(3))
    bench.clock.advance(timedelta(seconds=1))
    await bench.until_state(long, RunState.RUNNING)
    bench.finish(good)
    bench.finish(long)
    await bench.end(bad, Status.FAILED)
    assert await bench.ids() == [bad.invocation_id]


async def test_nothing_is_kept_where_a_function_says_so(bench: Bench) -> None:
    run = bench.start(mode=HistoryMode.NONE)
    bench.clock.advance(timedelta(seconds=1))
    bench.finish(run, Status.FAILED)
    await bench.store.write(lambda _: None)
    await bench.recorder.close()
    assert await bench.ids() == []


async def test_large_contents_are_kept_whole_beside_the_record(bench: Bench) -> None:
    run = bench.start(TriggerEvent(kind="queue", body=b"x" * 5000))
    bench.recorder.said({"invocation": run.invocation_id, "level": "info"}, "y" * 3000)
    record = await bench.end(run, kind="bytes", body=b"z" * 20_000)
    await bench.recorder.close()
    assert (len(record.input.data), record.input.size) == (100, 5000)
    assert await bench.history.content(record, "input") == b"x" * 5000
    assert b"y" * 3000 in await bench.history.content(record, "log")
    # Over the limit for what is kept whole.
    assert (len(record.output.data), record.output.size) == (100, 20_000)


async def test_a_log_that_never_ends_is_cut(bench: Bench) -> None:
    run = bench.start()
    for _ in range(50):
        bench.recorder.said({"invocation": run.invocation_id, "level": "info"}, "y" * 1000)
    record = await bench.end(run)
    await bench.recorder.close()
    assert record.log.size < 12_000
    assert (await bench.history.content(record, "log")).endswith(b"it grew over 10000 bytes)\n")


async def test_a_stream_is_not_kept(bench: Bench) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"never asked for"

    run = bench.start(TriggerEvent(kind="blob", body=chunks()))
    record = await bench.end(run, kind="stream", body=chunks())
    assert (record.input.kind, record.output.kind) == ("stream", "stream")


async def test_secrets_of_requests_and_answers_are_masked(bench: Bench, tmp_path: Path) -> None:
    data = {
        "method": "POST",
        "url": "http://h/api/pay?code=sesame&x=1&access_token=abc",
        "headers": HEADERS,
        "query": {"code": "sesame"},
        "params": {"id": "7"},
    }
    run = bench.start(TriggerEvent(kind="http", body=b"{}", data=data))
    header = {"status": 201, "headers": [["Set-Cookie", "s=1"], ["X-Plain", "yes"]]}
    record = await bench.end(run, kind="http", header=header, body=b"ok")
    assert record.origin == "POST /api/pay"
    assert record.event == {
        "method": "POST",
        "url": "http://h/api/pay?code=***&x=1&access_token=***",
        "headers": [["authorization", "***"], ["accept", "*/*"], ["X-Api-Key", "***"], ["cookie", "***"]],
        "params": {"id": "7"},
    }
    assert record.answer == {"status": 201, "headers": [["Set-Cookie", "***"], ["X-Plain", "yes"]]}
    assert b"sesame" not in (tmp_path / "store.db").read_bytes()


@pytest.mark.parametrize("headers", [7, None, [7], [["a"]], [["a", 1]], {"a": "b"}])
async def test_an_answer_with_headers_that_are_none_is_recorded_without(bench: Bench, headers: Any) -> None:
    run = bench.start()
    record = await bench.end(run, kind="http", header={"status": 200, "headers": headers}, body=b"ok")
    assert record.answer == {"status": 200, "headers": []}


async def test_a_batch_is_recorded_with_where_each_message_ends(bench: Bench) -> None:
    run = bench.start(TriggerEvent(kind="queue", body=b"abc", data={"sizes": [1, 2]}))
    assert (await bench.end(run)).event == {"sizes": [1, 2]}


async def test_a_parent_that_is_none_is_left_out(bench: Bench) -> None:
    run = bench.start(TriggerEvent(kind="queue", cause=Cause(properties={"parent": 7, "replayOf": {}})))
    record = await bench.end(run)
    assert (record.parent, record.replay_of) == (None, None)


async def test_what_the_store_did_not_take_is_written_later(bench: Bench, tmp_path: Path) -> None:
    await bench.store.write(lambda connection: connection.execute("ALTER TABLE run_journal RENAME TO away"))
    run = bench.start()
    bench.finish(run)
    async with asyncio.timeout(SOON):
        await bench.troubled.wait()
    await bench.store.write(lambda connection: connection.execute("ALTER TABLE away RENAME TO run_journal"))
    assert (await bench.until_state(run, RunState.SUCCEEDED)).id == run.invocation_id


async def test_ids_of_runs_sort_by_when_they_began(bench: Bench) -> None:
    runs = []
    for _ in range(5):
        runs.append(bench.start())
        bench.clock.advance(timedelta(milliseconds=1))
    ids = [run.invocation_id for run in runs]
    assert ids == sorted(ids)
    assert len({*ids}) == 5
