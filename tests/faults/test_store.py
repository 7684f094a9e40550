"""Fault 25, the embedded store's file: shared, locked, full, failing, killed in a checkpoint, robbed of its side files,
replaced, damaged. What is said of each stands in the test's name; the ledger shows that nothing was lost."""

from __future__ import annotations

import contextlib
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from e2e.apps import App, disk, http_trigger, queue_output, request, until
from e2e.running import COMMAND, DEADLINE, RunningHost
from faults.ledger import Ledger, add_work

pytestmark = pytest.mark.e2e

_SENDER = "def main(req: str) -> str:\n    return req\n"


@pytest.fixture
def app(tmp_path: Path) -> App:
    """A queue's function, and two of HTTP: one that sends to it, one that needs no store."""
    app = App(tmp_path / "app")
    add_work(app)
    app.add("send", _SENDER, http_trigger("send"), queue_output("jobs"))
    app.add("fine", "def main(req: str) -> str:\n    return 'fine'\n", http_trigger("fine"))
    return app


def ids(name: str, number: int) -> list[str]:
    return [f"{name}.{n}" for n in range(number)]


def send_by_http(host: RunningHost, ledger: Ledger, id: str) -> int:
    """Send through a function; the status tells the ledger whether the message has to be there."""
    status, body = request(host, "/api/send", id.encode())
    assert status in (200, 500)
    assert "Traceback" not in body and ".funchost" not in body
    (ledger.sent if status == 200 else ledger.unsure).append(id)
    return status


# -- many processes


def test_hosts_and_senders_that_use_one_store_at_once_lose_nothing_though_a_host_is_killed(app: App) -> None:
    add_work(app, "time.sleep(0.005)")
    ledger = Ledger(app)
    with contextlib.ExitStack() as running:
        hosts = [running.enter_context(RunningHost(app.root)) for _ in range(3)]
        senders = [
            subprocess.Popen([sys.executable, "-c", _SEND_MANY, str(app.store), f"sender{n}"])
            for n in range(3)
        ]
        app.wait_for_lines(30, "start")
        hosts[0].kill()
        assert [sender.wait(DEADLINE) for sender in senders] == [0, 0, 0]
        ledger.sent += [id for n in range(3) for id in ids(f"sender{n}", 100)]
        ledger.wait_until_settled()
    tally = ledger.check()
    assert tally.done == 300, tally


_SEND_MANY = """
import asyncio, sys
from pathlib import Path
from funchost.bindings.embedded_queue import EmbeddedQueues
from funchost.bindings.queue import OutgoingMessage
from funchost.bindings.store import Store

async def main(folder, name):
    store = Store(Path(folder))
    for number in range(100):
        body = f"{name}.{number}".encode()
        await EmbeddedQueues(store, name).send([OutgoingMessage(queue="jobs", body=body)])
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


# -- locked


@contextlib.contextmanager
def locked(store: Path) -> Iterator[None]:
    """A foreign process, such as a database browser, holds a transaction open."""
    code = (
        "import sqlite3, sys\n"
        "browser = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)\n"
        "browser.execute('BEGIN IMMEDIATE')\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(store / "store.db")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as browser:
        assert browser.stdout and browser.stdout.readline() == b"locked\n"
        yield
        browser.kill()


@pytest.mark.parametrize(("seconds", "is_told"), [(1, False), (5, False), (20, True)])
def test_a_host_waits_while_another_process_locks_the_store_says_so_after_ten_seconds_and_goes_on(
    app: App, seconds: float, is_told: bool
) -> None:
    add_work(app, "time.sleep(0.05)")
    ledger = Ledger(app)
    with RunningHost(app.root) as host:
        ledger.send(*ids("before", 100))
        app.wait_for_lines(10, "start")
        statuses: list[int] = []
        with locked(app.store):
            end = time.monotonic() + seconds
            sending = threading.Thread(
                target=lambda: statuses.append(send_by_http(host, ledger, "meanwhile"))
            )
            sending.start()
            while time.monotonic() < end:
                assert request(host, "/api/fine") == (200, "fine")
                time.sleep(0.05)
        sending.join(DEADLINE)
        # Who sends waits as long as the host does, and is told no later than it gives up.
        assert statuses in ([[200], [500]] if is_told else [[200]])
        assert ("stayed locked by another process" in host.log) == is_told
        ledger.send(*ids("after", 10))
        ledger.wait_until_settled()
        assert "Traceback" not in host.log
    tally = ledger.check()
    assert tally.done >= 110, tally


# -- full, or failing


def test_a_disk_that_is_full_again_and_again_loses_nothing_and_says_so(app: App) -> None:
    # The outputs are large, so that completing needs room, and the log is written back more than once.
    add_work(app, "time.sleep(0.002)", bindings=[_copy_output()])
    app.write("work/__init__.py", (app.root / "work/__init__.py").read_text() + _WITH_COPY)
    ledger = Ledger(app)
    with disk(app.store, 24), RunningHost(app.root) as host:
        refused = 0
        for cycle in range(3):
            ledger.send(*ids(f"cycle{cycle}", 60))
            app.wait_for_lines(60 * cycle + 10, "start")
            fill(app.store / "ballast")
            for number in range(20):
                refused += send_by_http(host, ledger, f"full{cycle}.{number}") == 500
            assert request(host, "/api/fine") == (200, "fine")
            (app.store / "ballast").unlink()
            ledger.wait_until_settled()
        assert refused, "the disk was to be too full to send"
        host.wait_for("is full. Make room; nothing was lost.")
        tally = ledger.check()
        assert "Traceback" not in host.log
    assert tally.done >= 180, tally


def _copy_output() -> dict[str, str]:
    return {"type": "queue", "name": "copy", "direction": "out", "queueName": "copies"}


#: The same function with one more output of some pages.
_WITH_COPY = """
import azure.functions as func
_plain = main

def main(job: str, context, copy: func.Out[str]) -> str:
    copy.set(job + "." * 20_000)
    return _plain(job, context)
"""


def fill(ballast: Path) -> None:
    """Leave no room on the disk."""
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):
        while True:
            file.write(b"\0" * 4096)


def test_a_store_whose_writes_fail_is_told_and_loses_nothing(app: App) -> None:
    ledger = Ledger(app)
    add_work(app, "time.sleep(0.02)")
    with RunningHost(app.root) as host:
        for cycle in range(3):
            ledger.send(*ids(f"cycle{cycle}", 30))
            app.wait_for_lines(30 * cycle + 5, "start")
            with no_file_may_grow(host.pid):
                assert send_by_http(host, ledger, f"refused{cycle}") == 500
                assert request(host, "/api/fine") == (200, "fine")
            assert send_by_http(host, ledger, f"taken{cycle}") == 200
            ledger.wait_until_settled()
        host.wait_for("store.db failed: disk I/O error")
        assert "Traceback" not in host.log
    tally = ledger.check()
    assert tally.done >= 93, tally


@contextlib.contextmanager
def no_file_may_grow(pid: int) -> Iterator[None]:
    """Each write of a process beyond the first byte of a file fails, as on a broken disk."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


# -- killed


def test_a_process_killed_in_checkpoints_leaves_a_whole_store_and_all_that_it_had_confirmed(app: App) -> None:
    ledger = Ledger(app, key=lambda body: body.decode().strip())
    chance = random.Random(25)
    for life in range(20):
        with subprocess.Popen(
            [sys.executable, Path(__file__).with_name("store_writer.py"), app.store, f"life{life}"],
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdout
            confirmed = [writer.stdout.readline().strip()]
            time.sleep(chance.uniform(0, 0.1))
            writer.kill()
            confirmed += [line.strip() for line in writer.stdout if line.endswith("\n")]
        ledger.sent += confirmed
        # It may have sent one more, and not come to tell.
        ledger.unsure.append(f"life{life}.{len(confirmed)}")
        ledger.check()
    assert len(ledger.sent) > 20 * 5, "the kills were to come in the middle of writing"


def test_a_host_killed_again_and_again_under_load_completes_each_message_once(app: App) -> None:
    add_work(app, "time.sleep(0.005)")
    ledger = Ledger(app)
    chance = random.Random(25)
    for life in range(5):
        ledger.send(*ids(f"life{life}", 80))
        begun = len(app.ledger("start"))
        with RunningHost(app.root) as host:
            app.wait_for_lines(begun + 10, "start")
            time.sleep(chance.uniform(0, 0.05))
            host.kill()
        ledger.check()
    with RunningHost(app.root):
        ledger.wait_until_settled()
    tally = ledger.check()
    assert tally.done == 400, tally


# -- side files


def test_the_shared_memory_file_may_be_removed_while_no_host_runs(app: App) -> None:
    ledger = left_by_a_kill(app)
    (app.store / "store.db-shm").unlink()
    with RunningHost(app.root):
        ledger.wait_until_settled()
    assert ledger.check().done == 20


def test_without_the_log_of_a_killed_host_the_store_is_whole_and_as_it_was_at_an_earlier_moment(
    app: App,
) -> None:
    """What is only in the log is lost with it: nobody promises otherwise. The rest is neither torn nor doubled."""
    ledger = left_by_a_kill(app)
    (app.store / "store.db-wal").unlink()
    (app.store / "store.db-shm").unlink()
    ledger.unsure, ledger.sent = ledger.sent, []
    ledger.check_integrity()
    with RunningHost(app.root):
        ledger.send("after")
        ledger.wait_until_settled()
    ledger.check_integrity()


def test_a_host_that_stops_leaves_one_file_that_holds_everything(app: App, tmp_path: Path) -> None:
    ledger = Ledger(app)
    with RunningHost(app.root) as host:
        ledger.send(*ids("job", 20))
        ledger.wait_until_settled()
        assert host.stop() == 0
    assert not (app.store / "store.db-wal").exists()
    copy = App(tmp_path / "copy")
    copy.store.mkdir()
    shutil.copy(app.store / "store.db", copy.store)
    shutil.copy(app.root / "ledger.txt", copy.root)
    assert Ledger(copy).check(ledger.sent).done == 20


@pytest.mark.parametrize("name", ["store.db", "store.db-wal", "store.db-shm"])
def test_a_host_whose_file_is_removed_while_it_runs_says_so_and_ends_well(app: App, name: str) -> None:
    with RunningHost(app.root) as host:
        assert request(host, "/api/send", b"before") == (200, "before")
        (app.store / name).unlink()
        host.wait_for(f"{name} was removed or replaced. This host no longer sees what others send", 10)
        assert request(host, "/api/fine") == (200, "fine")
        assert host.stop() == 0
        assert host.log.count("was removed or replaced") == 1
        assert "Traceback" not in host.log


def test_a_host_whose_store_is_replaced_says_so_and_another_goes_on_with_the_new_one(app: App) -> None:
    with RunningHost(app.root) as host:
        backup = app.store / "backup.db"
        with contextlib.closing(sqlite3.connect(app.store / "store.db")) as store:
            store.execute("VACUUM INTO ?", (str(backup),))
        for name in ("store.db", "store.db-wal", "store.db-shm"):
            (app.store / name).unlink()
        backup.rename(app.store / "store.db")
        host.wait_for("store.db was removed or replaced", 10)
        host.stop()
    ledger = Ledger(app)
    with RunningHost(app.root):
        ledger.send(*ids("job", 20))
        ledger.wait_until_settled()
    assert ledger.check().done == 20


def left_by_a_kill(app: App) -> Ledger:
    """A store with messages that are only in the log, since its host was killed."""
    ledger = Ledger(app)
    with RunningHost(app.root) as host:
        ledger.send(*ids("job", 20))
        host.kill()
    assert (app.store / "store.db-wal").stat().st_size
    return ledger


# -- damaged


@pytest.mark.parametrize("damage", ["first page", "every other page", "cut short"])
def test_a_damaged_store_is_told_with_its_file_and_what_to_do_and_left_as_it_is(
    app: App, damage: str
) -> None:
    ledger = Ledger(app)
    ledger.send(*(f"{id}.{'x' * 3000}" for id in ids("job", 50)))
    path = app.store / "store.db"
    content = _DAMAGES[damage](path.read_bytes())
    path.write_bytes(content)
    with contextlib.closing(Background(app)) as host:
        said = host.wait_until_it_says("is damaged")
    assert str(path) in said
    assert "Move it (and its -wal and -shm files) aside" in said
    assert "Traceback" not in said
    assert len(path.read_bytes()) == len(content)


def _damage_pages(content: bytes, first: int) -> bytes:
    size = 4096
    pages = [content[start : start + size] for start in range(0, len(content), size)]
    return b"".join(page if n < first or n % 2 else b"\xee" * size for n, page in enumerate(pages))


_DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "first page": lambda content: content[:100] + b"\xee" * 3996 + content[4096:],
    "every other page": lambda content: _damage_pages(content, 2),
    "cut short": lambda content: content[: len(content) // 8192 * 4096],
}


class Background:
    """A host that may start or end by itself; what it says is in a file."""

    def __init__(self, app: App) -> None:
        self._log = app.root / "said.txt"
        with self._log.open("wb") as out:
            command = [COMMAND, "start", "--root", str(app.root), "--port", "0"]
            self._process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)

    def wait_until_it_says(self, wanted: str) -> str:
        """All that it has said once the text is among it."""
        until(lambda: wanted in self._log.read_text(), DEADLINE, self._log.read_text)
        return self._log.read_text()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(DEADLINE)
