"""Runs in the embedded store: written, found, searched and removed, by one process and by several."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from funchost.bindings import embedded_history, history_query, history_text
from funchost.bindings.clock import new_run_id
from funchost.bindings.embedded_audit import AuditLog
from funchost.bindings.embedded_history import EmbeddedHistory
from funchost.bindings.errors import NotFound
from funchost.bindings.history import INLINE, Kept, OutputRef, RunFilter, RunRecord, RunState, Step
from funchost.bindings.presence import Presence
from funchost.bindings.store import Store

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def text(content: str) -> Kept:
    data = content.encode()
    return Kept("text", data, len(data))


def run(second: float = 0, **fields: Any) -> RunRecord:
    """A run that began so many seconds after `START`."""
    started = START + timedelta(seconds=second)
    given: dict[str, Any] = {
        "id": new_run_id(started),
        "function": "Work",
        "trigger": "queueTrigger",
        "state": RunState.SUCCEEDED,
        "host": "host-1",
        "started": started,
    }
    return RunRecord(**given | fields)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(tmp_path / "store")
    yield store
    await store.close()


@pytest.fixture
def history(store: Store) -> EmbeddedHistory:
    return EmbeddedHistory(store, content_folder=store.folder / "runs")


async def ids(history: EmbeddedHistory, **wanted: Any) -> list[str]:
    return [found.id for found in await history.list(RunFilter(**wanted), 100)]


async def indexed_texts(store: Store) -> int:
    """How many runs the full-text index holds words of."""
    query = "SELECT count(DISTINCT doc) FROM run_words"

    def operation(connection: sqlite3.Connection) -> int:
        connection.execute(
            "CREATE VIRTUAL TABLE temp.run_words USING fts5vocab('main', 'run_texts', 'instance')"
        )
        found: int = connection.execute(query).fetchone()[0]
        connection.execute("DROP TABLE temp.run_words")
        return found

    return await store.write(operation)


async def total(store: Store) -> tuple[int, int]:
    """The running total of bytes, and what it should be."""
    return tuple(
        await store.read(
            lambda c: c.execute(
                "SELECT bytes, (SELECT coalesce(sum(size), 0) FROM runs) FROM history"
            ).fetchone()
        )
    )


# -- what is kept


async def test_a_run_comes_back_as_it_was(history: EmbeddedHistory) -> None:
    kept = run(
        worker=17,
        origin="orders",
        message="m-1",
        queued=START - timedelta(microseconds=1),
        ended=START + timedelta(microseconds=123457),
        attempts=3,
        dequeue_count=2,
        parent="p",
        replay_of="r",
        trace_id="ab" * 16,
        code="c0de",
        state=RunState.FAILED,
        error_type="ValueError",
        error_message="no “such” order",
        error_traceback="Traceback …",
        event={"method": "POST", "headers": {"a": "b"}},
        input=Kept("bytes", b"\0\xff", 2),
        output=text("out"),
        outputs=(OutputRef("queue", "next", 3),),
        answer={"status": 200},
        log=text("2026-03-01T12:00:00Z info line"),
        steps=(Step(START, "retried"),),
        progress=0.5,
        status={"done": 3},
    )
    await history.record([kept])
    assert await history.get(kept.id) == kept


async def test_a_list_has_no_contents_but_their_sizes(history: EmbeddedHistory) -> None:
    await history.record([run(input=text("abc"), steps=(Step(START, "x"),), event={"method": "GET"})])
    (found,) = await history.list(RunFilter(), 10)
    assert (found.input, found.output, found.steps) == (Kept("text", b"", 3), Kept(), ())
    assert found.event == {"method": "GET"}


async def test_a_run_that_is_told_again_stands_once(store: Store, history: EmbeddedHistory) -> None:
    begun = run(state=RunState.RUNNING, input=text("begun"))
    neighbours = [run(1), run(2)]
    await history.record([begun])
    ended = run(id=begun.id, ended=START, input=text("ended"))
    await history.record([neighbours[0], ended, neighbours[1]])
    assert await ids(history) == [neighbours[1].id, neighbours[0].id, begun.id]
    assert await history.get(begun.id) == ended
    size, expected = await total(store)
    assert size == expected


async def test_the_last_of_two_records_in_one_step_counts(history: EmbeddedHistory) -> None:
    begun = run(state=RunState.RUNNING)
    await history.record([begun, run(id=begun.id)])
    assert (await history.get(begun.id)).state == RunState.SUCCEEDED
    assert await history.count(RunFilter()) == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"error_message": "\udc80"},
        {"function": "W\udc80"},
        {"event": {"a": "\udc80"}},
        {"status": {"a": "\udc80"}},
        {"status": {"a": 2**70}},
    ],
)
async def test_what_no_file_can_hold_does_not_cost_the_neighbours(
    history: EmbeddedHistory, bad: dict[str, Any]
) -> None:
    good, odd = run(input=text("good")), run(1, **bad)
    await history.record([good, odd])
    assert await ids(history) == [odd.id, good.id]
    assert await history.get(good.id) == good


async def test_a_piece_that_cannot_be_read_does_not_stand_in_the_way(
    store: Store, history: EmbeddedHistory
) -> None:
    good, odd = run(), run(1)
    odd.parent = 7  # type: ignore[assignment]
    await history.record([good, odd])
    await store.write(lambda c: c.execute("INSERT INTO run_journal (count, runs) VALUES (1, x'c1')"))
    last = run(2)
    await history.record([last])
    assert await ids(history) == [last.id, good.id]


async def test_records_ride_with_what_they_settle_or_not_at_all(
    store: Store, history: EmbeddedHistory
) -> None:
    def spoilt(connection: sqlite3.Connection) -> None:
        history.within(connection, [run()])
        raise ValueError("spoilt")

    with pytest.raises(ValueError, match="spoilt"):
        await store.write(spoilt)
    assert await history.count(RunFilter()) == 0
    assert await total(store) == (0, 0)


async def test_dropped_runs_are_gone(store: Store, history: EmbeddedHistory) -> None:
    runs = [run(n, input=text("word")) for n in range(3)]
    await history.record(runs)
    assert len(await ids(history, search="word")) == 3
    await store.write(lambda c: history.drop_within(c, [runs[0].id, "unknown"]))
    assert await ids(history) == [runs[2].id, runs[1].id]
    assert await ids(history, search="word") == [runs[2].id, runs[1].id]
    size, expected = await total(store)
    assert size == expected > 0


# -- lists


def the_runs() -> list[RunRecord]:
    """Runs of all kinds, in the order that they began."""
    states, functions = list(RunState), ["Work", "work", "Mail", "Nightly"]
    return [
        run(
            n,
            state=states[n % 7],
            function=functions[n % 4],
            parent=f"parent-{n % 3}" if n % 2 else None,
            replay_of="old" if n % 5 == 0 else None,
            message=f"0000-message-{n % 6}",
            trace_id=f"trace{n % 8}",
            input=text("even words" if n % 2 == 0 else "odd words"),
        )
        for n in range(60)
    ]


WANTED: list[dict[str, Any]] = [
    {},
    {"functions": ("WORK",)},
    {"functions": ("mail", "nightly")},
    {"functions": ("Unknown",)},
    {"states": (RunState.FAILED,)},
    {"states": (RunState.SUCCEEDED, RunState.LOST_LEASE)},
    {"functions": ("Work",), "states": (RunState.TIMED_OUT,)},
    {"since": START + timedelta(seconds=20)},
    {"until": START + timedelta(seconds=20)},
    {"since": START + timedelta(seconds=10), "until": START + timedelta(seconds=30), "functions": ("work",)},
    {"parent": "parent-1"},
    {"parent": "parent-1", "states": (RunState.FAILED, RunState.SUCCEEDED), "functions": ("MAIL", "Nightly")},
    {"replay_of": "old", "since": START + timedelta(seconds=31)},
    {"message": "0000-message-4"},
    {"message": "0000-message-4", "trace_id": "trace4", "states": (RunState.SUCCEEDED, RunState.FAILED)},
    {"trace_id": "trace3", "functions": ("Nightly",)},
    {"search": "odd"},
    {"search": "words EVEN", "functions": ("Mail",), "until": START + timedelta(seconds=40)},
    {"search": "odd", "parent": "parent-0", "trace_id": "trace1"},
]


def is_wanted(one: RunRecord, wanted: RunFilter) -> bool:
    """What a filter says, without a database."""
    links = ("parent", "replay_of", "message", "trace_id")
    return (
        (not wanted.functions or one.function.lower() in [name.lower() for name in wanted.functions])
        and (not wanted.states or one.state in wanted.states)
        and (wanted.since is None or one.started >= wanted.since)
        and (wanted.until is None or one.started < wanted.until)
        and all(getattr(wanted, link) in (None, getattr(one, link)) for link in links)
        and all(word.lower() in one.input.data.decode() for word in (wanted.search or "").split())
    )


@pytest.mark.parametrize("indexed", [0, 30, 60])
@pytest.mark.parametrize("fields", WANTED, ids=str)
async def test_a_filter_finds_what_it_says(
    history: EmbeddedHistory, fields: dict[str, Any], indexed: int
) -> None:
    runs, wanted = the_runs(), RunFilter(**fields)
    await history.record(runs)
    await history.index(indexed)
    expected = [one.id for one in reversed(runs) if is_wanted(one, wanted)]
    assert await ids(history, **fields) == expected
    assert await history.count(wanted) == len(expected)
    assert [one.id async for one in history.all(wanted)] == expected[::-1]


@pytest.mark.parametrize(
    "fields", [{}, {"functions": ("work", "mail")}, {"search": "odd"}, {"parent": "parent-2"}]
)
async def test_pages_put_together_are_the_whole(history: EmbeddedHistory, fields: dict[str, Any]) -> None:
    await history.record(the_runs())
    found: list[str] = []
    while page := await history.list(RunFilter(**fields), 3, found[-1] if found else None):
        found += [one.id for one in page]
    assert found == await ids(history, **fields)
    assert len(found) > 3


async def test_all_goes_on_over_many_pages(history: EmbeddedHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_history, "_PAGE", 7)
    runs = the_runs()
    await history.record(runs)
    found = [one.id async for one in history.all(RunFilter(functions=("work", "mail", "nightly")))]
    assert found == [one.id for one in runs]


# -- one run


async def test_the_beginning_of_an_id_will_do(history: EmbeddedHistory) -> None:
    first, second = run(0), run(3600)
    await history.record([first, second])
    assert (await history.get(first.id[:13].upper())).id == first.id


@pytest.mark.parametrize(("id_", "told"), [("01", "too short"), ("ffffffff", "no run"), ("019c", "Several")])
async def test_no_run_or_several_is_said(history: EmbeddedHistory, id_: str, told: str) -> None:
    await history.record([run(0), run(1)])
    assert run(0).id.startswith("019c")
    with pytest.raises(NotFound, match=told):
        await history.get(id_)


async def test_an_id_that_others_begin_with_is_found_itself(history: EmbeddedHistory) -> None:
    await history.record([run(id="abcd"), run(id="abcde")])
    assert (await history.get("abcd")).id == "abcd"


# -- search


@pytest.mark.parametrize(
    ("kept", "search"),
    [
        ({"input": text('{"order": 42, "name": "Ångström"}')}, "order 42"),
        ({"input": text('{"order": 42, "name": "Ångström"}')}, 'order": angstrom'),
        ({"input": Kept("json", b'{"n": "\\u6ce8\\u6587 \\ud83d\\ude00"}', 30)}, "注文"),
        ({"error_type": "KeyError", "error_message": "'price'"}, "keyerror price"),
        ({"error_traceback": "File app.py line 7"}, "app.py"),
        ({"log": text("新しい注文が届いた")}, "注文"),
        ({"log": text("a AND b")}, "and OR NOT"[:3]),
        ({"input": text("left"), "log": text("right")}, "right left"),
        ({"log": text("near(x)")}, "NEAR(x*)"),
        ({"input": text("word")}, "word *** -"),
    ],
)
@pytest.mark.parametrize("has_fts5", [True, False])
async def test_words_are_found_wherever_they_stand(
    history: EmbeddedHistory,
    monkeypatch: pytest.MonkeyPatch,
    kept: dict[str, Any],
    search: str,
    has_fts5: bool,
) -> None:
    if not has_fts5 and any(mark in search for mark in ("*", "angstrom")):
        pytest.skip("without an index, words are looked for as they are written")
    if not has_fts5:
        monkeypatch.setattr(history_text, "can_index", lambda connection: False)
    wanted = run(**kept)
    await history.record([wanted, run(1, input=text("something else"))])
    assert await ids(history, search=search) == [wanted.id]


@pytest.mark.parametrize("has_fts5", [True, False])
@pytest.mark.parametrize(
    "search",
    [
        '"',
        "*",
        "a* AND",
        "NEAR(",
        "a:b",
        "^a",
        "(((",
        "-",
        "a\0b",
        "\udc80",
        "'",
        ";--",
        "{a b} : c",
        " ",
        "ids:x",
    ],
)
async def test_no_search_fails(
    history: EmbeddedHistory, monkeypatch: pytest.MonkeyPatch, search: str, has_fts5: bool
) -> None:
    if not has_fts5:
        monkeypatch.setattr(history_text, "can_index", lambda connection: False)
    await history.record([run(input=text("something else"))])
    assert await ids(history, search=search) == []
    assert await history.count(RunFilter(search=search)) == 0


async def test_an_id_is_no_word_of_a_run(history: EmbeddedHistory) -> None:
    await history.record([run(message="message-1", input=text("x"))])
    assert await ids(history, search="message1") == []


async def test_a_word_that_many_runs_have_is_found_in_order(
    history: EmbeddedHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_text, "_MANY", 5)
    monkeypatch.setattr(history_query, "_LOT", 2)
    runs = the_runs()
    await history.record(runs)
    expected = [one.id for one in reversed(runs) if b"odd" in one.input.data and one.function == "Nightly"]
    assert await ids(history, search="odd", functions=("nightly",)) == expected
    assert await history.count(RunFilter(search="odd", functions=("nightly",))) == len(expected)
    assert [one.id async for one in history.all(RunFilter(search="odd"))] == [
        one.id for one in runs if b"odd" in one.input.data
    ]
    page = await history.list(RunFilter(search="odd", functions=("nightly",)), 3, expected[2])
    assert [one.id for one in page] == expected[3:6]


async def test_what_is_told_anew_is_found_by_its_new_words_only(
    store: Store, history: EmbeddedHistory
) -> None:
    begun = run(state=RunState.RUNNING, input=text("before"))
    await history.record([begun])
    assert await ids(history, search="before") == [begun.id]
    await history.record([run(id=begun.id, input=text("after"))])
    assert await ids(history, search="before") == []
    assert await ids(history, search="after") == [begun.id]
    assert await indexed_texts(store) == 1


# -- contents in files


async def test_a_large_content_stands_in_a_private_file(store: Store, history: EmbeddedHistory) -> None:
    data = b"x" * (INLINE + 1)
    large = run(input=Kept("bytes", data[:INLINE], len(data)))
    history.write_content(large.id, "input", data)
    await history.record([large])
    found = await history.get(large.id)
    assert found.input == Kept("bytes", data[:INLINE], len(data))
    assert await history.content(found, "input") == data
    (path,) = (store.folder / "runs").rglob("*.input")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_a_content_of_any_size_may_stand_in_the_record(history: EmbeddedHistory) -> None:
    large = run(input=text("x" * (INLINE * 4)))
    await history.record([large])
    assert await history.get(large.id) == large


async def test_a_small_content_is_that_of_the_record(history: EmbeddedHistory) -> None:
    assert await history.content(run(output=text("small")), "output") == b"small"


@pytest.mark.parametrize(
    ("id_", "part", "kept"),
    [
        ("0123-4567", "input", Kept("bytes", b"x", 9)),
        ("../../../etc/passwd", "input", Kept("bytes", b"x", 9)),
        ("0123-4567", "input", Kept("stream", b"", 9)),
        ("0123-4567", "steps", Kept()),
    ],
)
async def test_a_content_that_is_not_kept_is_not_found(
    history: EmbeddedHistory, id_: str, part: str, kept: Kept
) -> None:
    with pytest.raises(NotFound):
        await history.content(run(id=id_, input=kept), part)


# -- removed


async def test_runs_go_by_age_with_their_files_and_words(store: Store, history: EmbeddedHistory) -> None:
    data = b"old " * INLINE
    runs = [run(n * 86400, input=Kept("text", data, len(data))) for n in range(3)]
    for one in runs:
        history.write_content(one.id, "input", data)
    await history.record(runs)
    assert len(await ids(history, search="old")) == 3
    assert await history.sweep(START + timedelta(days=1), 2**40) == 1
    assert await ids(history) == [runs[2].id, runs[1].id]
    assert await indexed_texts(store) == 2
    assert {path.stem for path in (store.folder / "runs").rglob("*.input")} == {runs[1].id, runs[2].id}
    assert len(list((store.folder / "runs").iterdir())) == 2


async def test_runs_go_by_size_the_oldest_first(
    store: Store, history: EmbeddedHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_history, "CHUNK", 2)
    runs = [run(n, input=text("x" * 1000)) for n in range(10)]
    await history.record(runs)
    await history.unfold()
    size, _ = await total(store)
    assert await history.sweep(START, size // 2) == 5
    assert await ids(history) == [one.id for one in reversed(runs[5:])]
    assert await total(store) == (size // 2, size // 2)
    assert await history.sweep(START, size // 2) == 0


async def test_files_count_with_their_runs(history: EmbeddedHistory) -> None:
    runs = [run(n, input=Kept("bytes", b"x", 100_000)) for n in range(4)]
    for one in runs:
        history.write_content(one.id, "input", b"x" * 100_000)
    await history.record(runs)
    assert await history.sweep(START, 250_000) == 2
    assert await ids(history) == [runs[3].id, runs[2].id]


async def test_what_still_runs_is_not_removed(history: EmbeddedHistory) -> None:
    running = run(0, state=RunState.RUNNING)
    await history.record([running, run(1)])
    assert await history.sweep(START + timedelta(days=1), 0) == 1
    assert await ids(history) == [running.id]


async def test_files_of_runs_that_were_never_recorded_go_by_age(
    store: Store, history: EmbeddedHistory
) -> None:
    running = run(0, state=RunState.RUNNING, input=Kept("bytes", b"x", INLINE + 1))
    stray, young = run(1), run(86400 * 30)
    for one in (running, stray, young):
        history.write_content(one.id, "input", b"x")
    await history.record([running])
    await history.sweep(START + timedelta(days=1), 2**40)
    assert {path.stem for path in (store.folder / "runs").rglob("*.input")} == {running.id, young.id}


async def test_audit_rows_go_by_the_same_age(store: Store, history: EmbeddedHistory) -> None:
    audit = AuditLog(store)
    await audit.add("cli:anna", "queues.clear", "orders", {})
    await history.sweep(datetime.now(UTC) - timedelta(hours=1), 2**40)
    assert len(await audit.list(10)) == 1
    await history.sweep(datetime.now(UTC) + timedelta(hours=1), 2**40)
    assert await audit.list(10) == []


async def test_keep_indexes_and_removes(
    store: Store, history: EmbeddedHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_history, "LOOK_INTERVAL", 0.01)
    old, now = run(0), store.clock.now()
    young = run(id=new_run_id(now), started=now, input=text("young"))
    await history.record([old, young])
    keeping = asyncio.create_task(history.keep(timedelta(hours=1), 2**30))
    async with asyncio.timeout(5):
        while not await store.read(lambda c: c.execute("SELECT indexed FROM history").fetchone()[0]):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    keeping.cancel()
    assert await ids(history) == [young.id]
    assert await indexed_texts(store) == 1


async def test_a_store_that_rests_is_not_written_to(
    store: Store, history: EmbeddedHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await history.record([run()])
    await history.unfold()
    while await history.index(10):
        pass
    before = await store.read(lambda c: c.execute("PRAGMA data_version").fetchone())
    await history.index(10)
    await history.sweep(START, 2**40)
    assert await store.read(lambda c: c.execute("PRAGMA data_version").fetchone()) == before


# -- hosts that die, and other processes


async def test_runs_of_a_dead_host_are_abandoned(store: Store, history: EmbeddedHistory) -> None:
    await store.write(lambda c: c.execute("INSERT INTO hosts VALUES ('dead', 4711, 0)"))
    lost = run(0, state=RunState.RUNNING, host="dead", input=text("job"))
    others = [run(1, state=RunState.RUNNING, host="living"), run(2, host="dead")]
    await history.record([lost, *others])
    host = Presence(store, "living")
    await host.start()
    found = await history.get(lost.id)
    assert (found.state, found.error) == (
        RunState.ABANDONED,
        "Its host (process 4711) ended while it ran.",
    )
    assert found.ended is not None
    assert found.input == text("job")
    assert (await history.get(others[0].id)).state == RunState.RUNNING
    assert (await history.get(others[1].id)).state == RunState.SUCCEEDED
    await host.stop()
    assert (await history.get(others[0].id)).state == RunState.ABANDONED


WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from funchost.bindings.clock import new_run_id
from funchost.bindings.embedded_history import EmbeddedHistory
from funchost.bindings.history import Kept, RunFilter, RunRecord, RunState
from funchost.bindings.store import Store

async def main(folder, name):
    store = Store(Path(folder))
    history = EmbeddedHistory(store, content_folder=store.folder / "runs")
    for n in range(40):
        now = datetime.now(UTC)
        ids = [new_run_id(now) for _ in range(5)]
        for state in (RunState.RUNNING, RunState.SUCCEEDED):
            await history.record([
                RunRecord(id=id, function=name, trigger="t", state=state, host=name, started=now,
                          input=Kept("text", b"shared " + name.encode(), 10))
                for id in ids])
        await history.index(50)
        if n % 10 == 0:
            await history.sweep(datetime(2020, 1, 1, tzinfo=UTC), 50_000)
    print(len(await history.list(RunFilter(search="shared"), 1000)))
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_several_processes_write_index_and_remove_on_one_store(
    store: Store, history: EmbeddedHistory
) -> None:
    heard = asyncio.Event()
    store.subscribe("runs", heard.set)
    writers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(store.folder), name, stdout=subprocess.PIPE
        )
        for name in ("first", "second", "third")
    ]
    async with asyncio.timeout(30):
        outputs = [(await writer.communicate())[0] for writer in writers]
        await heard.wait()
    assert all(json.loads(output) > 0 for output in outputs)
    size, expected = await total(store)
    assert size == expected
    everything = await history.list(RunFilter(), 1000)
    assert len(everything) == len(await history.list(RunFilter(search="shared"), 1000)) > 100
    assert {one.state for one in everything} == {RunState.SUCCEEDED}
    assert await indexed_texts(store) == len(everything)


async def test_a_store_from_before_gains_its_history(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    store = Store(folder)
    await store.close()
    with closing(sqlite3.connect(folder / "store.db", isolation_level=None)) as old:
        old.execute("DROP TABLE runs")
        old.execute("DROP TABLE history")
    store = Store(folder)
    history = EmbeddedHistory(store, content_folder=folder / "runs")
    await history.record([run()])
    assert await history.count(RunFilter()) == 1
    await store.close()


async def test_files_are_private_whatever_the_umask(store: Store, history: EmbeddedHistory) -> None:
    before = os.umask(0)
    try:
        history.write_content(run().id, "log", b"x")
    finally:
        os.umask(before)
    assert all(path.stat().st_mode & 0o077 == 0 for path in (store.folder / "runs").rglob("*"))
