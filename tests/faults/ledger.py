"""The ledger of a fault test: where each message is that was sent, read from the store's own files.

Every message is in exactly one of: done, queued, delayed, in flight, poison, quarantined. Its use, with an app
of `e2e.apps`:

    from faults.ledger import Ledger, add_work

    app = App(tmp_path)
    add_work(app, "time.sleep(0.01)")           # runs queue 'jobs', notes each run, puts out into queue 'done'
    ledger = Ledger(app)
    with RunningHost(app.root) as host:
        ledger.send(*(f"job{n}" for n in range(500)))
        ...                                     # the fault
        ledger.wait_until_settled()
    tally = ledger.check()                      # fails with a table of the messages that are not in one place
    assert tally.done == 500

The body of a message is its id, without blanks. That a message was completed is told by what its run put into
the output queues: the store does both in one transaction, so exactly one output of each kind is exactly one
completion. Nothing else may read those queues, and the function's outputs hold the id alone. The history of runs
must say the same: one run that succeeded for each message that is done, and none for any other.

`check` may be called at any time, also while hosts run or after they were killed: it reads one snapshot and
changes nothing. What a sender was told to have failed and may be there all the same is `unsure`. Messages of
blob and file triggers stand in internal queues: name the queue and how to find the id in a body (`key`).
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from e2e.apps import App, queue_output, queue_trigger, until
from e2e.running import DEADLINE

from funchost.bindings.history import RunRecord, RunState
from funchost.bindings.history_row import unpack

#: Rows of the table that a failed check shows.
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Tally:
    """How many messages are where, and how often what must not happen did. As text: one line for people."""

    done: int
    queued: int
    delayed: int
    in_flight: int
    poison: int
    quarantined: int
    lost: int
    completed_twice: int
    #: Messages that began more than once: at least once is what is promised, so this is no fault.
    repeated: int

    @property
    def settled(self) -> int:
        """Messages that nothing will happen to any more."""
        return self.done + self.poison + self.quarantined

    def __str__(self) -> str:
        return (
            f"done {self.done}, queued {self.queued}, delayed {self.delayed}, in flight {self.in_flight}, "
            f"poison {self.poison}, quarantined {self.quarantined}; "
            f"lost {self.lost}, completed twice {self.completed_twice}; run more than once {self.repeated}"
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One message: every place it is in, what its runs put out, and how often they began and ended."""

    id: str
    places: tuple[str, ...]
    outputs: dict[str, int]
    starts: int
    ends: int
    #: Runs of it that succeeded, by the history; None where that is not looked at.
    records: int | None = None

    @property
    def completions(self) -> int:
        """Runs whose end was kept: the most outputs of one kind."""
        return max(self.outputs.values(), default=0)


class Ledger:
    """The messages of one queue of `app`, run by one function.

    `outputs` are the queues, `tables` the tables (row key) and `blobs` the containers (name without its extension)
    into which each completed run puts its message's id once. `poison` and `quarantine` are where messages go that
    are given up, `key` finds the id in a body.
    """

    def __init__(
        self,
        app: App,
        queue: str = "jobs",
        *,
        outputs: Iterable[str] = ("done",),
        tables: Iterable[str] = (),
        blobs: Iterable[str] = (),
        poison: str | None = None,
        quarantine: str | None = None,
        key: Callable[[bytes], str] = bytes.decode,
        recorded: bool = True,
    ) -> None:
        """`recorded` False where messages are run by hand, or their body is not what the run got."""
        self.app = app
        self.queue = queue
        self._outputs = tuple(outputs)
        self._tables = tuple(tables)
        self._blobs = tuple(blobs)
        self._given_up = {
            poison or f"{queue}-poison": "poison",
            quarantine or f"{queue}-quarantine": "quarantined",
        }
        self._key = key
        self._recorded = recorded
        self._lines = 0
        #: What must be in one place.
        self.sent: list[str] = []
        #: What may be in one place, or nowhere.
        self.unsure: list[str] = []

    def send(self, *ids: str) -> None:
        """Send messages from this process. Where that fails they are `unsure`, and the error is raised."""
        try:
            self.app.send(self.queue, *ids)
        except BaseException:
            self.unsure += ids
            raise
        self.sent += ids

    def entries(self) -> dict[str, Entry]:
        """All messages that were sent or are anywhere, by id, in one snapshot of the store."""
        places, outputs, records = self._snapshot()
        runs = _runs(self.app)
        found = {}
        for id in dict.fromkeys([*self.sent, *self.unsure, *places, *outputs]):
            kinds = outputs.get(id, Counter())
            count = {kind: kinds[kind] for kind in (*self._outputs, *self._tables, *self._blobs)}
            done = ["done"] * max(count.values(), default=0)
            found[id] = Entry(
                id,
                (*done, *places.get(id, ())),
                count,
                runs["start", id],
                runs["end", id],
                records[id] if self._recorded else None,
            )
        return found

    def tally(self) -> Tally:
        """Where the messages are now; says nothing of whether that is right."""
        return self._tally(self.entries())

    def check(self, sent_ids: Iterable[str] | None = None) -> Tally:
        """Fail unless every message sent is in one place, and every completed one put out each output once.

        `sent_ids` takes the place of what `send` took down.
        """
        if sent_ids is not None:
            self.sent = list(sent_ids)
        self.check_integrity()
        entries = self.entries()
        wrong = [(entry, why) for entry in entries.values() if (why := self._wrong(entry))]
        tally = self._tally(entries)
        assert not wrong, _table(wrong, tally)
        return tally

    def check_integrity(self) -> None:
        """Fail unless the database is whole."""
        with closing(_open(self.app.store)) as connection:
            said = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        assert said == ["ok"], f"The database is damaged: {said}"

    def wait_until_settled(self, deadline: float = DEADLINE) -> Tally:
        """Wait until every message sent is done or given up, and nothing waits in the queue."""
        until(self._is_settled, deadline, lambda: str(self.tally()))
        return self.tally()

    # -- looking

    def _is_settled(self) -> bool:
        tally = self.tally()
        waiting = tally.queued + tally.delayed + tally.in_flight
        return not waiting and tally.settled >= len(set(self.sent))

    def _wrong(self, entry: Entry) -> str:
        """What is wrong with a message; empty when nothing is."""
        if not entry.places:
            return "LOST" if entry.id in self.sent else ""
        if entry.id not in self.sent and entry.id not in self.unsure:
            return "NEVER SENT"
        if entry.completions > 1:
            return "COMPLETED TWICE"
        if len(entry.places) > 1:
            return "IN TWO PLACES"
        if entry.completions and min(entry.outputs.values()) == 0:
            return "HALF DONE"
        if entry.completions and not entry.ends:
            return "DONE WITHOUT A RUN"
        if entry.records is not None and entry.records != entry.completions:
            return f"RECORDED {entry.records} TIMES"
        return ""

    def _tally(self, entries: dict[str, Entry]) -> Tally:
        where = Counter(entry.places[0] for entry in entries.values() if entry.places)
        sent = set(self.sent)
        return Tally(
            done=where["done"],
            queued=where["queued"],
            delayed=where["delayed"],
            in_flight=where["in flight"],
            poison=where["poison"],
            quarantined=where["quarantined"],
            lost=sum(not entry.places and entry.id in sent for entry in entries.values()),
            completed_twice=sum(entry.completions > 1 for entry in entries.values()),
            repeated=sum(entry.starts > 1 for entry in entries.values()),
        )

    def _snapshot(self) -> tuple[dict[str, list[str]], dict[str, Counter[str]], Counter[str]]:
        """The places of each id but "done", how often it is in each kind of output, and how many runs succeeded."""
        places: dict[str, list[str]] = {}
        outputs: dict[str, Counter[str]] = {}
        now = time.time() * 1000
        with closing(_open(self.app.store)) as connection:
            connection.execute("BEGIN")  # one state of the store for all that follows
            for queue, body, owner, visible_at in connection.execute(
                "SELECT queue, body, owner, visible_at FROM messages"
            ):
                if queue in self._outputs:
                    outputs.setdefault(body.decode(), Counter())[queue] += 1
                elif queue in self._given_up:
                    places.setdefault(self._key(body), []).append(self._given_up[queue])
                elif queue == self.queue:
                    places.setdefault(self._key(body), []).append(_state(owner, visible_at, now))
            records = Counter(map(self._key, _succeeded(connection, self.queue)))
            for table, row_key in connection.execute("SELECT table_name, row_key FROM entities"):
                for wanted in self._tables:
                    if wanted.lower() == table:
                        outputs.setdefault(row_key, Counter())[wanted] += 1
        self._add_blobs(outputs)
        return places, outputs, records

    def _add_blobs(self, outputs: dict[str, Counter[str]]) -> None:
        """Blobs are written before the message is completed, so one may be there of a run that did not complete:
        only what is done otherwise must have its blob."""
        for container in self._blobs:
            for file in (self.app.store / "blobs" / container).glob("*"):
                if file.stem in outputs or not (self._outputs or self._tables):
                    outputs.setdefault(file.stem, Counter())[container] += 1


def add_work(
    app: App,
    code: str = "pass",
    *,
    name: str = "work",
    queue: str = "jobs",
    output: str = "done",
    bindings: Iterable[dict[str, Any]] = (),
    **policies: Any,
) -> None:
    """Add a function that fits a `Ledger`: it notes ``start <id> <dequeue count>``, runs `code` (which may use
    `job`, `context`, `os`, `time`, `note`), notes ``end <id> <dequeue count>`` and puts its id into `output`."""
    lines = "\n".join(f"    {line}" for line in code.splitlines())
    source = _WORK.replace("    CODE", lines)
    app.add(name, source, queue_trigger(queue), queue_output(output), *bindings, **policies)


_WORK = """
import os
import time
from ledger import note

def main(job: str, context) -> str:
    note("start", job, context.metadata["dequeueCount"])
    CODE
    note("end", job, context.metadata["dequeueCount"])
    return job
"""


def _open(store: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{(store / 'store.db').as_uri()}?mode=ro", uri=True, isolation_level=None)


def _succeeded(connection: sqlite3.Connection, queue: str) -> Iterator[bytes]:
    """What each run got that succeeded, by the history: its rows, and over them what is not a row yet."""
    query = (
        "SELECT id, contents FROM runs WHERE state = 'succeeded' AND json_extract(summary, '$.origin') = ?"
    )
    found = {id: unpack(contents).input for id, contents in connection.execute(query, (queue,))}
    for (piece,) in connection.execute("SELECT runs FROM run_journal ORDER BY number"):
        for run in msgspec.msgpack.decode(piece, type=list[RunRecord]):
            found.pop(run.id, None)
            if run.state is RunState.SUCCEEDED and run.origin == queue:
                found[run.id] = run.input.data
    yield from found.values()


def _state(owner: str | None, visible_at: int, now: float) -> str:
    if visible_at <= now:
        return "queued"
    return "delayed" if owner is None else "in flight"


def _runs(app: App) -> Counter[tuple[str, str]]:
    """How often runs of each id noted ``start`` and ``end``."""
    words = [line.split() for line in app.ledger()]
    return Counter((line[0], line[1]) for line in words if len(line) > 1)


def _table(wrong: list[tuple[Entry, str]], tally: Tally) -> str:
    """What a failed check shows."""
    width = max(len(entry.id) for entry, _ in wrong[:_SHOWN])
    lines = [f"{len(wrong)} messages are not where they belong. {tally}", ""]
    lines.append(f"{'id':{width}}  {'fault':18}  {'began':>5}  {'ended':>5}  places; outputs")
    for entry, why in wrong[:_SHOWN]:
        outputs = json.dumps(entry.outputs)
        places = ", ".join(entry.places) or "nowhere"
        lines.append(f"{entry.id:{width}}  {why:18}  {entry.starts:5}  {entry.ends:5}  {places}; {outputs}")
    if len(wrong) > _SHOWN:
        lines.append(f"and {len(wrong) - _SHOWN} more")
    return "\n".join(lines)
