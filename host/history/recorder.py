"""Records what becomes of each run, as cheaply as that can be done durably.

A run's record is written when its event is settled, in the same transaction where that is one of the embedded store:
whatever the settlement writes there first takes it along. So there is no run without a record, and no record of what did
not happen. What is settled elsewhere, or not at all, is written together every tenth of a second. A run that takes longer
than `LONG` seconds has a record from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from ...bindings.clock import Clock
from ...bindings.embedded_history import EmbeddedHistory
from ...bindings.history import INLINE, NOTHING, Kept, RunRecord, RunState, Step
from ...bindings.store import Job, Store, on_write
from ...triggers.base import CALLED, ErrorInfo, Outcome, Status, TriggerEvent
from ...triggers.descriptor import HistoryMode
from ...triggers.trouble import Trouble
from ..config.host_models import HistoryOptions
from ..execution.observer import Observer
from ..execution.run import Run
from .live import Live, RunLog
from .masking import masked_headers, request_event, request_line

#: Seconds until a run that goes on gets a record; between two writes of what nothing else has taken along.
LONG = 0.25
PAUSE = 0.1

#: Records that are kept in memory while the store cannot be written; the oldest go when there are more.
MOST_WAITING = 10_000

#: Bytes of a log that are kept in memory while its run goes on.
_LOG_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a content is kept, in bytes: in the record itself, and in all."""

    inline: int = INLINE
    content: int = 16 * 1024 * 1024


def history_limits(options: HistoryOptions) -> Limits:
    """As host.json says it."""
    return Limits(inline=options.inlineInKB * 1024, content=options.contentInMB * 1024 * 1024)


_STATES = {status: RunState(status.value) for status in Status}


class _Content(NamedTuple):
    """A content that is too large for its record."""

    run: str
    part: str
    data: bytes


class Recorder(Observer):
    """Keeps the records of one host's runs in its history. `close` writes the last of them."""

    def __init__(
        self,
        history: EmbeddedHistory,
        store: Store,
        host: str,
        *,
        limits: Limits,
        report: Callable[[str], None],
    ) -> None:
        """`host` is the host's mark on the store."""
        self._history = history
        self._store = store
        self._clock: Clock = store.clock
        self._host = host
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        #: The runs in hand, the one that began first first.
        self._live: dict[str, Live] = {}
        self._due: dict[str, RunRecord] = {}
        self._unwanted: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Future[Any]] = set()
        self._trouble = Trouble(report, self._clock)
        store.ride(self._take)

    # -- what happens to runs

    def started(self, run: Run) -> None:
        is_wanted = _is_awaited(run.event)
        if run.descriptor.policy.history is not HistoryMode.NONE or is_wanted:
            live = self._live[run.invocation_id] = Live(run)
            if is_wanted:
                live.is_wanted = True
            if self._timer is None:
                self._wake()

    def retrying(self, run: Run, error: ErrorInfo, delay: float) -> None:
        text = f"Attempt {run.attempts} failed: {_first_line(error)}; another follows in {delay:g} s."
        self.note(run.invocation_id, text)

    def settling(self, run: Run, outcome: Outcome) -> None:
        live = self._live.get(run.invocation_id)
        if live:
            self._end(live, outcome)
            on_write.set(partial(self._send_along, live))

    def ended(self, run: Run, outcome: Outcome) -> None:
        live = self._live.pop(run.invocation_id, None)
        if live:
            on_write.set(None)
            if live.recorded != (outcome.status, outcome.error):
                self._end(live, outcome)
            self._send_along(live)

    def note(self, invocation_id: str, text: str) -> None:
        """Note a step of a run."""
        live = self._live.get(invocation_id)
        if live:
            live.steps = (*live.steps, Step(self._clock.now(), text))

    def said(self, header: dict[str, Any], text: str) -> None:
        """What a run printed or logged, by the header of its `log` frame."""
        live = self._live.get(header.get("invocation", ""))
        if live and not header.get("system"):
            if live.log is None:
                live.log = RunLog(min(_LOG_LIMIT, self._limits.content))
            live.log.add(self._clock.now(), header.get("level", "info"), text)

    def progressed(self, invocation_id: str, progress: float | None, status: Any) -> None:
        """What a function says of itself while it runs."""
        live = self._live.get(invocation_id)
        if live:
            live.progress, live.status = progress, status
            self._put(self._record(live, RunState.RUNNING))
            live.is_kept = True

    async def keep(self, invocation_id: str) -> None:
        """Return once a run has a durable record, whatever its function says of the history if it goes on."""
        live = self._live.get(invocation_id)
        if live:
            live.is_wanted = live.is_kept = True
            await self._history.record([self._record(live, RunState.RUNNING)])
        else:
            # What became of it may still be on its way.
            await self.check()

    async def check(self) -> None:
        """Raise `StoreError` where records cannot be written now."""
        await self._store.write(_nothing)

    def now(self, invocation_id: str) -> RunRecord | None:
        """The record of a run in hand as of now; None for any other."""
        live = self._live.get(invocation_id)
        return self._record(live, RunState.RUNNING) if live else None

    async def close(self) -> None:
        """Write what is not written yet."""
        if self._timer:
            self._timer.cancel()
        self._write()
        while self._writing:
            await asyncio.wait(self._writing)

    # -- records

    def _end(self, live: Live, outcome: Outcome) -> None:
        live.recorded = outcome.status, outcome.error
        mode = live.run.descriptor.policy.history
        if mode is not HistoryMode.ALL and not live.is_wanted and outcome.succeeded:
            if live.is_kept:
                self._unwanted.append(live.run.invocation_id)
                self._due.pop(live.run.invocation_id, None)
            live.pending = None
            return
        live.pending = self._record(live, _STATES[outcome.status], outcome)

    def _send_along(self, live: Live) -> None:
        """Have the last record of a run written with what is written next."""
        if live.pending:
            self._put(live.pending)
            live.pending = None

    def _record(self, live: Live, state: RunState, outcome: Outcome | None = None) -> RunRecord:
        run, event = live.run, live.run.event
        cause, properties, call = event.cause, event.cause.properties, run.call
        record = RunRecord(
            id=run.invocation_id,
            function=run.function,
            trigger=run.descriptor.trigger.type,
            state=state,
            host=self._host,
            worker=call.worker if call else None,
            origin=cause.origin,
            message=cause.message,
            queued=cause.queued,
            started=run.started,
            attempts=run.attempts,
            dequeue_count=cause.dequeue_count,
            trace_id=run.trace.parent[3:35],
            code=call.code if call else None,
            input=self._input(run),
        )
        if properties:
            record.parent, record.replay_of = _run_id(properties, "parent"), _run_id(properties, "replayOf")
        if not cause.origin:
            record.origin = _origin(event)
        if event.kind == "http":
            record.event = request_event(event.data)
        elif "sizes" in event.data:
            record.event = {"sizes": event.data["sizes"]}  # where each message of a batch ends
        if live.has_more:
            self._add_more(record, live, whole=outcome is not None)
        if outcome:
            self._add_outcome(record, run, outcome)
        return record

    def _add_more(self, record: RunRecord, live: Live, *, whole: bool) -> None:
        """What became known on the way."""
        record.steps, record.progress, record.status = live.steps, live.progress, live.status
        if live.log:
            record.log = self._kept(record.id, "log", "text", live.log.content, whole=whole)

    def _add_outcome(self, record: RunRecord, run: Run, outcome: Outcome) -> None:
        record.ended = outcome.ended
        record.outputs = run.outputs
        if outcome.error:
            record.error_type = outcome.error.type
            record.error_message = outcome.error.message
            record.error_traceback = outcome.error.traceback or None
        if outcome.kind == "none":
            return
        if outcome.kind == "http":
            header = outcome.header
            record.answer = {
                "status": header.get("status"),
                "headers": masked_headers(header.get("headers")),
            }
        if isinstance(outcome.body, bytes):
            kind = "bytes" if outcome.kind == "http" else outcome.kind
            record.output = self._kept(record.id, "output", kind, outcome.body)
        else:
            record.output = Kept("stream")

    def _input(self, run: Run) -> Kept:
        body = run.event.body
        if not isinstance(body, bytes):
            return Kept("stream")
        return self._kept(run.invocation_id, "input", "bytes", body) if body else NOTHING

    def _kept(self, run: str, part: str, kind: str, data: bytes, *, whole: bool = True) -> Kept:
        size = len(data)
        if size <= self._limits.inline:
            return Kept(kind, data, size)
        if whole and size <= self._limits.content:
            self._write_content(_Content(run, part, data))
        return Kept(kind, data[: self._limits.inline], size)

    # -- writing

    def _put(self, record: RunRecord) -> None:
        self._due[record.id] = record
        self._wake()

    def _wake(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(PAUSE, self._look)

    def _look(self) -> None:
        """Give those that take long a record, and write what nothing else has taken along."""
        self._timer = None
        are_young = self._note_long()
        self._write()
        if are_young or self._due:
            self._wake()

    def _note_long(self) -> bool:
        """Give each run a record that takes long and has none; returns whether there are others without one."""
        now = self._clock.now()
        for id_, live in self._live.items():
            if not live.is_kept and (live.recorded is None or live.pending):
                if 0 <= (now - live.run.started).total_seconds() < LONG:
                    return True  # those behind it began later
                live.is_kept = True
                self._due[id_] = self._record(live, RunState.RUNNING)
        return False

    def _write(self) -> None:
        # Whatever else is written takes it along; so there has to be something.
        if self._due or self._unwanted:
            self._store.write(_nothing).add_done_callback(_seen)

    def _take(self) -> Job | None:
        """All that is to be written now, with whatever else is."""
        if not self._due and not self._unwanted:
            return None
        records, self._due = self._due, {}
        unwanted, self._unwanted = self._unwanted, []
        done: asyncio.Future[Any] = self._loop.create_future()
        self._writing.add(done)
        done.add_done_callback(partial(self._written, records, unwanted))
        return partial(_operation, self._history, [*records.values()], unwanted), done

    def _written(self, records: dict[str, RunRecord], unwanted: list[str], done: asyncio.Future[Any]) -> None:
        self._writing.discard(done)
        error = done.exception()
        if error is None:
            self._trouble.passed("The history of runs is written again.")
            return
        self._trouble.came(f"The history of runs cannot be written, which is tried again: {error}")
        again = {id_: one for id_, one in records.items() if self._is_news(one)}
        # What was recorded since then stands over it.
        self._due = dict([*{**again, **self._due}.items()][-MOST_WAITING:])
        self._unwanted += unwanted
        self._wake()

    def _is_news(self, record: RunRecord) -> bool:
        """Whether a record that was not written is to be written by itself."""
        live = self._live.get(record.id)
        if not record.ended:
            return live is not None and live.recorded is None
        if live and not live.pending:
            # The settlement was not written either: it is tried again, and takes it along.
            live.pending = record
        return live is None

    def _write_content(self, content: _Content) -> None:
        writing = self._loop.run_in_executor(None, self._history.write_content, *content)
        self._writing.add(writing)
        writing.add_done_callback(self._content_written)

    def _content_written(self, writing: asyncio.Future[Any]) -> None:
        self._writing.discard(writing)
        if error := writing.exception():
            self._trouble.came(f"What runs were given or gave cannot be kept whole: {error}")


def _operation(
    history: EmbeddedHistory, records: list[RunRecord], unwanted: list[str], connection: Any
) -> None:
    history.within(connection, records)
    if unwanted:
        history.drop_within(connection, unwanted)


def _nothing(_: Any) -> None:
    pass


def _seen(future: asyncio.Future[Any]) -> None:
    """What went wrong with nothing has gone wrong with what came along, too, and is told there."""
    if not future.cancelled():
        future.exception()


def _is_awaited(event: TriggerEvent) -> bool:
    """Whether somebody will ask what became of its run, or is to be told."""
    return event.run_id is not None or "callbackUrl" in event.cause.properties


def _origin(event: TriggerEvent) -> str:
    if event.kind == "http":
        return request_line(event.data["method"], event.data["url"])
    return "by hand" if event.reason == CALLED else ""


def _run_id(properties: Mapping[str, Any], name: str) -> str | None:
    """A run that a message names; whoever sent it may have put anything there."""
    value = properties.get(name)
    return value if isinstance(value, str) else None


def _first_line(error: ErrorInfo) -> str:
    return str(error).partition("\n")[0][:200]
