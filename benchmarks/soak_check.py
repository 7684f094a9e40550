"""What is looked at when a soak is quiet again: where each message is, who held locks and timers, what the store keeps."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise

from e2e.apps import App
from faults.ledger import Entry, Ledger, Tally
from soak_app import BAD, ECHO_DONE, FLOWS, JOBS, LATER, MIDDLE, Flow
from soak_load import Load, waiting

#: Bytes of the database for each thing that it keeps, and for none at all.
BYTES_EACH = 2048
BYTES_AT_LEAST = 2 * 1024 * 1024

#: Marks of killed hosts that may be left: they are removed by a host that starts a minute later.
MOST_MARKS = 10

_COLUMNS = ("sent", "unsure", "done", "poison", "waiting", "lost", "twice", "run again")


@dataclass
class Findings:
    """The ledger for people, and what is wrong in it."""

    lines: list[str] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    lost: int = 0
    completed_twice: int = 0
    done: int = 0


def check(app: App, load: Load) -> Findings:
    """All that can be told from the store and the functions' notes. No host may be running."""
    findings = Findings()
    _check_messages(app, load, findings)
    notes = app.ledger()
    _check_echo(app, notes, findings)
    check_locks(notes, findings)
    check_ticks(notes, findings)
    _check_store(app, findings)
    return findings


# -- messages


def _check_messages(app: App, load: Load, findings: Findings) -> None:
    findings.lines.append(f"{'queue':32}" + "".join(f"{column:>10}" for column in _COLUMNS))
    Ledger(app).check_integrity()
    ledgers = {flow: _ledger(app, flow, load) for flow in FLOWS}
    for flow, ledger in ledgers.items():
        entries = ledger.entries()
        # What a run of this queue put out is what was sent to the next.
        follower = {JOBS: MIDDLE, MIDDLE: LATER}.get(flow)
        if follower:
            done = [id for id, entry in entries.items() if entry.completions]
            ledgers[follower].sent = [f"{'m' if flow is JOBS else 'l'}-{id}" for id in done]
        try:
            ledger.check()
        except AssertionError as error:
            findings.breaches.append(f"{flow.queue}: {error}")
        _judge(flow, entries, findings)
        _count(flow, ledger, ledger.tally(), findings)


def _ledger(app: App, flow: Flow, load: Load) -> Ledger:
    ledger = Ledger(
        app,
        flow.queue,
        outputs=flow.outputs,
        tables=flow.tables,
        blobs=flow.blobs,
        poison=flow.poison,
        key=flow.id_of,
        recorded=flow.recorded,
    )
    ledger.sent, ledger.unsure = list(load.sent[flow]), list(load.unsure[flow])
    return ledger


def _judge(flow: Flow, entries: dict[str, Entry], findings: Findings) -> None:
    """Whether messages ended as their function means it."""
    wanted = ("poison", "quarantined") if flow is BAD else ("done",)
    wrong = [entry for entry in entries.values() if entry.places and entry.places[0] not in wanted]
    if wrong:
        some = ", ".join(f"{entry.id} ({entry.places[0]})" for entry in wrong[:10])
        findings.breaches.append(f"{flow.queue}: {len(wrong)} are not {' or '.join(wanted)}: {some}")


def _count(flow: Flow, ledger: Ledger, tally: Tally, findings: Findings) -> None:
    unsettled = tally.queued + tally.delayed + tally.in_flight
    given_up = tally.poison + tally.quarantined
    figures = (
        len(ledger.sent), len(ledger.unsure), tally.done, given_up, unsettled, tally.lost,
        tally.completed_twice, tally.repeated,
    )  # fmt: skip
    findings.lines.append(f"{flow.queue:32}" + "".join(f"{figure:>10}" for figure in figures))
    findings.lost += tally.lost
    findings.completed_twice += tally.completed_twice
    findings.done += tally.done


def _check_echo(app: App, notes: list[str], findings: Findings) -> None:
    """Each result that was written has been run; no more often than it can have been written."""
    with closing(sqlite3.connect(app.store / "store.db")) as connection:
        query = "SELECT body FROM messages WHERE queue = ?"
        runs = Counter(row[0].decode() for row in connection.execute(query, (ECHO_DONE,)))
    written = Counter(line.split()[1] for line in notes if line.startswith("start "))
    blobs = {file.stem for file in (app.store / "blobs" / "results").glob("*.txt")}
    missed = [id for id in blobs if not runs[id]]
    often = [id for id in runs if runs[id] > written[id]]
    findings.lines.append(f"results: {len(blobs)} blobs of functions, {runs.total()} versions run")
    if missed:
        findings.breaches.append(f"{len(missed)} results were never run: {missed[:10]}")
    if often:
        findings.breaches.append(f"{len(often)} results ran more often than they were written: {often[:10]}")


# -- locks and timers


def check_locks(notes: list[str], findings: Findings) -> None:
    holds = [line.split() for line in notes if line.startswith(("hold ", "free "))]
    overlaps, backwards = 0, 0
    for customer in sorted({words[1] for words in holds}):
        own = [(words[0], f"{words[2]} {words[3]}") for words in holds if words[1] == customer]
        overlaps += len(_overlaps(own, "hold", "free"))
        fences = [int(who.split()[0]) for what, who in own if what == "hold"]
        # The same one again: the worker was killed, and the lock held meanwhile.
        backwards += sum(after < before for before, after in pairwise(fences))
    runs = sum(words[0] == "hold" for words in holds)
    findings.lines.append(f"locks: {runs} runs under a lock, {overlaps} overlaps")
    if overlaps or backwards:
        findings.breaches.append(f"{overlaps} runs overlapped under one lock; {backwards} fences went back.")


def check_ticks(notes: list[str], findings: Findings) -> None:
    words = [line.split() for line in notes if line.startswith(("tick ", "tock "))]
    overlaps = _overlaps([(what, pid) for what, pid, _ in words], "tick", "tock")
    ticks = [(int(float(moment)), pid) for what, pid, moment in words if what == "tick"]
    hosts: dict[int, set[str]] = {}
    for second, pid in ticks:
        hosts.setdefault(second, set()).add(pid)
    shared = [second for second, pids in hosts.items() if len(pids) > 1]
    findings.lines.append(
        f"timer: {len(ticks)} ticks in {len(hosts)} seconds by {len({pid for _, pid in ticks})} hosts; "
        f"{len(shared)} of two hosts, {len(overlaps)} at the same time"
    )
    if shared or overlaps:
        findings.breaches.append(f"Ticks of two hosts: {shared[:10]}; at the same time: {overlaps[:10]}")


def _overlaps(notes: list[tuple[str, str]], begin: str, end: str) -> list[str]:
    """Those who began while another one was at it. Whoever never ended is no other one: it was killed."""
    ends = Counter(who for what, who in notes if what == end)
    open_runs: Counter[str] = Counter()
    found = []
    for what, who in notes:
        if what == begin:
            found += [who for other, count in open_runs.items() if other != who and count and ends[other] > 0]
            open_runs[who] = 1
        else:
            ends[who] -= 1
            open_runs[who] = 0
    return found


# -- the store


def _check_store(app: App, findings: Findings) -> None:
    with closing(sqlite3.connect(app.store / "store.db")) as connection:
        tables = ("messages", "entities", "versions", "state", "runs")
        kept = sum(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables)
        kept += connection.execute("SELECT coalesce(sum(count), 0) FROM run_journal").fetchone()[0]
    size = (app.store / "store.db").stat().st_size
    marks = list((app.store / "hosts").glob("*"))
    drafts = [file for file in (app.store / "blobs").rglob("*") if file.is_file() and file.suffix != ".txt"]
    findings.lines.append(
        f"store: {size / 1e6:.1f} MB for {kept} things that it keeps ({size / max(1, kept):.0f} bytes each); "
        f"{len(drafts)} files beside the blobs, {len(marks)} marks of hosts"
    )
    if size > BYTES_AT_LEAST + BYTES_EACH * kept:
        findings.breaches.append(f"The store has {size} bytes for {kept} things.")
    if len(marks) > MOST_MARKS:
        findings.breaches.append(f"Marks of hosts that are gone are left: {[file.name for file in marks]}")


def is_quiet(app: App, load: Load) -> bool:
    """Whether nothing waits any more, and all files have been noticed."""
    if any(waiting(app, flow.queue) for flow in FLOWS):
        return False
    for flow in FLOWS:
        given_up = waiting(app, flow.poison or f"{flow.queue}-poison")
        if waiting(app, flow.outputs[0]) + given_up < len(load.sent[flow]):
            return False
    return waiting(app, ECHO_DONE) >= len(list((app.store / "blobs" / "results").glob("*.txt")))
