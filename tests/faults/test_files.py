"""File triggers when the host is killed, files are not what they were, and events are lost: each version of each file
that stays runs once."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from e2e.apps import App, queue_output, states, until
from e2e.running import RunningHost
from faults.injection import Faults
from faults.ledger import Ledger

pytestmark = pytest.mark.e2e

#: The internal queue of the function `files`.
QUEUE = "azure-webjobs-filetrigger-files"

FILE = {"type": "fileTrigger", "name": "file"}

#: Seconds within which a host makes up for what it missed.
LEASE = 15.0

#: How many files a scan is broken off in. The whole of the promise is 10,000.
MANY = int(os.environ.get("FUNCHOST_TEST_FILES", "2000"))

#: Notes the file's name and content, and puts its name out.
_WORK = """
    import os
    import time
    from ledger import note

    def main(file: str, context) -> str:
        name = context.metadata["name"]
        note("start", name)
        note("content", name, file)
        note("end", name)
        return name
"""


@pytest.fixture
def app(tmp_path: Path) -> App:
    """An app whose function `files` runs the files of the folder `inbox`."""
    app = App(tmp_path / "app")
    (app.root / "inbox").mkdir()
    return app


def add_files(app: App, code: str = _WORK, **fields: object) -> Ledger:
    """Add the function; returns a ledger in which a file's name is the id of its message."""
    trigger = {**FILE, "path": "inbox/{name}.txt", **fields}
    app.add("files", code, trigger, queue_output("done"))
    return Ledger(app, QUEUE, poison="webjobs-filetrigger-poison", key=_name, recorded=False)


def _name(body: bytes) -> str:
    return Path(json.loads(body)["Path"]).stem


def drop(app: App, name: str, content: str = "content") -> Path:
    """Put a file into the folder, complete from the beginning."""
    draft, file = app.root / "draft.tmp", app.root / "inbox" / f"{name}.txt"
    draft.write_text(content)
    return draft.replace(file)


# 22: many files, and a scan that is broken off


def test_a_host_killed_in_the_middle_of_a_scan_of_many_files_runs_each_once(app: App, tmp_path: Path) -> None:
    names = [f"file{number}" for number in range(MANY)]
    for name in names:
        (app.root / f"inbox/{name}.txt").write_text("content")
    ledger = add_files(app)
    ledger.sent = names
    faults = Faults(tmp_path)
    for when in ("before", "after"):
        # A batch is let by; in the next one the host dies, before it was recorded or after.
        faults.on("state.record", "delay", when=when, times=1)
        dying = faults.on("state.record", "hang", when=when)
        with RunningHost(app.root, env=faults.env) as host:
            dying.wait_until_struck()
            host.kill()
        assert 0 < ledger.tally().lost < MANY, "some are queued, and others were not found yet"
        faults.off()
    with RunningHost(app.root):
        ledger.wait_until_settled(30 + MANY / 50)
    tally = ledger.check()
    assert tally.done == MANY
    assert len(app.ledger("content")) - MANY <= tally.repeated


# 23: files that are not what they were


def test_a_file_that_is_being_written_runs_once_it_is_complete(app: App) -> None:
    ledger = add_files(app)
    with RunningHost(app.root):
        with (app.root / "inbox/slow.txt").open("w") as file:
            for number in range(3):
                file.write(f"{number}-")
                file.flush()
                # What came later is run meanwhile: so there was time enough to run this one too.
                drop(app, f"other{number}")
                app.wait_for_lines(number + 1, "end other")
            assert app.ledger("start slow") == []
        app.wait_for_lines(1, "end slow")
    assert app.ledger("content slow") == ["0-1-2-"]
    assert ledger.check(["slow", "other0", "other1", "other2"]).done == 4


def test_files_replaced_renamed_and_deleted_before_their_run_run_as_what_they_are_then(
    app: App, tmp_path: Path
) -> None:
    ledger = add_files(app)
    faults = Faults(tmp_path)
    taking = faults.on("queues.receive", "hang", about=QUEUE)
    with RunningHost(app.root, env=faults.env) as host:
        for name in ("kept", "replaced", "renamed", "deleted"):
            drop(app, name, f"old-{name}")
        until(lambda: len(app.peek(QUEUE)) == 4, LEASE)
        drop(app, "replaced", "new-replaced")
        (app.root / "inbox/renamed.txt").rename(app.root / "inbox/other.txt")
        (app.root / "inbox/deleted.txt").unlink()
        until(lambda: len(app.peek(QUEUE)) == 6, LEASE)
        taking.off()
        app.wait_until_empty(QUEUE, LEASE)
        assert "Traceback" not in host.log
    assert sorted(app.ledger("content")) == ["kept old-kept", "other old-renamed", "replaced new-replaced"]
    assert ledger.check(["kept", "replaced", "other"]).done == 3


def test_a_file_replaced_while_it_runs_runs_again_as_what_it_is_then(app: App) -> None:
    gate = "while not os.path.exists('gate'): time.sleep(0.005)\n        "
    add_files(app, _WORK.replace('note("end"', gate + 'note("end"'))
    with RunningHost(app.root):
        drop(app, "a", "old")
        app.wait_for_lines(1, "start")
        drop(app, "a", "new")
        app.wait_for_lines(2, "start")
        app.write("gate", "")
        app.wait_for_lines(2, "end")
        app.wait_until_empty(QUEUE, LEASE)
    assert app.ledger("content a")[-1] == "new"
    assert len(app.ledger("start")) == 2
    assert app.peek("webjobs-filetrigger-poison") == []


def test_a_function_that_writes_into_its_own_folder_is_stopped_and_the_others_go_on(app: App) -> None:
    code = """
        from pathlib import Path
        from ledger import note

        def main(file: str, context) -> str:
            name = context.metadata["name"]
            note("copy", name)
            Path(context.metadata["path"]).with_name(name + "x.txt").write_text("copy")
            return name
    """
    add_files(app, code)
    (app.root / "other").mkdir()
    other = _WORK.replace("return name", "")
    app.add(
        "others",
        other.replace("-> str", "-> None"),
        {**FILE, "path": "other/{name}.txt"},
    )
    with RunningHost(app.root) as host:
        drop(app, "a")
        host.wait_for("keeps running itself", LEASE)
        until(lambda: states(host)["files"].startswith("stopped"), LEASE)
        (app.root / "other/b.txt").write_text("b")
        app.wait_for_lines(1, "end b", deadline=LEASE)
        assert 4 <= len(app.ledger("copy")) <= 5


# 24: events that never come

#: Loaded by the host's interpreter before anything else: all change events of folders are lost.
_NO_EVENTS = """
import sys

if "start" in sys.orig_argv:
    from funchost.triggers import watch

    watch._Folder.dispatch = lambda folder, event: None
"""


def test_files_whose_events_are_lost_are_found_by_the_next_scan(app: App, tmp_path: Path) -> None:
    add_files(app, scanInterval="00:00:00.5", changeTypes=["created", "changed", "deleted"])
    (app.root / "other").mkdir()
    app.add("others", _WORK, {**FILE, "path": "other/{name}.txt"}, queue_output("other-done"))
    (tmp_path / "sitecustomize.py").write_text(_NO_EVENTS)
    with RunningHost(app.root, env={"PYTHONPATH": str(tmp_path)}) as host:
        (app.root / "other/b.txt").write_text("other")
        began = time.monotonic()
        drop(app, "a", "one")
        app.wait_for_lines(1, "end a", deadline=LEASE)
        drop(app, "a", "two")
        app.wait_for_lines(2, "end a", deadline=LEASE)
        (app.root / "inbox/a.txt").unlink()
        app.wait_for_lines(3, "end a", deadline=LEASE)
        # Where no interval is given it takes longer, but no more than a lease.
        app.wait_for_lines(1, "end b", deadline=LEASE)
        assert time.monotonic() - began < LEASE
        # Nor does it hear of changed code: no event has come.
        assert "Reloaded" not in host.log
    assert app.ledger("content") == ["a one", "a two", "a", "b other"]
    assert app.peek(QUEUE) == app.peek("webjobs-filetrigger-poison") == []
