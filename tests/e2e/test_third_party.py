"""Apps on the storage and the trigger of another package, the one in examples/: what it brings is served as our own is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from e2e.apps import App, queue_trigger, states, until
from e2e.running import RunningHost, funchost
from third_party import SPOOL, installed

pytestmark = pytest.mark.e2e

_NOTED = """
    from ledger import note

    def main(job: str) -> str:
        note("got", job)
        return job.upper()
"""

#: Waits in the middle of each message until the gate is open.
_GATED = """
    import time
    from pathlib import Path
    from ledger import note

    def main(job: str, context) -> str:
        note("start", job)
        while not Path("gate").exists():
            time.sleep(0.005)
        note("end", job)
        return job
"""

_LINE = """
    from ledger import note

    def main(line: str, context) -> None:
        note("line", line)
        if line == "bad":
            raise ValueError("no such line")
"""


@pytest.fixture
def package(tmp_path: Path) -> Mapping[str, str]:
    """The environment in which the package is installed, and a connection that leads to a folder."""
    share = tmp_path / "share"
    share.mkdir()
    found = installed(SPOOL, tmp_path / "site")
    return {**found, "Shared__provider": "spool", "Shared__path": str(share), "Shared__lease": "1"}


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path / "app")


def shared(binding: dict[str, Any]) -> dict[str, Any]:
    return {**binding, "connection": "Shared"}


def output(queue: str) -> dict[str, Any]:
    return shared({"type": "queue", "name": "$return", "direction": "out", "queueName": queue})


def drop(share: Path, queue: str, name: str, content: str) -> None:
    """Put a file into a queue as any program would: written beside it, then moved."""
    folder = share / "queues" / queue
    folder.mkdir(parents=True, exist_ok=True)
    draft = share / f"{name}.part"
    draft.write_text(content)
    draft.rename(folder / name)


def messages(share: Path, queue: str) -> list[Path]:
    """The messages of a queue, in flight or not."""
    return list((share / "queues" / queue).glob("[!.]*"))


def bodies(share: Path, queue: str) -> list[str]:
    """What stands in the messages of a queue that nobody receives from."""
    return sorted(each.read_text() for each in messages(share, queue))


def test_a_file_moved_into_a_queue_runs_its_function_and_the_result_goes_to_another(
    tmp_path: Path, app: App, package: Mapping[str, str]
) -> None:
    share = tmp_path / "share"
    app.add("work", _NOTED, shared(queue_trigger()), output("done"))
    with RunningHost(app.root, env=package) as host:
        drop(share, "jobs", "first order.txt", "one")
        assert app.wait_for_lines(1, "got") == ["one"]
        until(lambda: bodies(share, "done") == ["ONE"], 10)
        until(lambda: not messages(share, "jobs"), 5)
        assert states(host)["work"] == "listening"
    looked = funchost("queues", "peek", "done", "--connection", "Shared", "--root", app.root, env=package)
    assert b"ONE" in looked.stdout


def test_a_message_that_fails_too_often_goes_to_the_poison_queue_there(
    tmp_path: Path, app: App, package: Mapping[str, str]
) -> None:
    share = tmp_path / "share"
    code = (
        "from ledger import note\ndef main(job: str):\n    note('tried')\n    raise ValueError('bad order')\n"
    )
    app.add("work", code, shared(queue_trigger(maxDequeueCount=3)))
    with RunningHost(app.root, env=package):
        drop(share, "jobs", "order", "bad")
        until(lambda: bodies(share, "jobs-poison") == ["bad"], 20)
        until(lambda: not messages(share, "jobs"), 5)
    assert len(app.ledger("tried")) == 3


def test_blobs_are_found_read_and_written_there(tmp_path: Path, app: App, package: Mapping[str, str]) -> None:
    share = tmp_path / "share"
    code = """
        def main(blob: str, rate: str) -> str:
            return f"{blob} x {rate}"
    """
    app.add(
        "convert",
        code,
        shared({"type": "blobTrigger", "name": "blob", "path": "orders/{name}.txt"}),
        shared({"type": "blob", "name": "rate", "direction": "in", "path": "rates/today"}),
        shared({"type": "blob", "name": "$return", "direction": "out", "path": "bills/{name}"}),
    )
    for name, content in {"rates/today": "2", "orders/one.txt": "12"}.items():
        (share / "blobs" / name).parent.mkdir(parents=True)
        (share / "blobs" / name).write_text(content)
    bill = share / "blobs/bills/one"
    with RunningHost(app.root, env=package):
        until(bill.is_file, 20)
    assert bill.read_text() == "12 x 2"


def test_a_host_that_is_killed_in_the_middle_loses_no_message(
    tmp_path: Path, app: App, package: Mapping[str, str]
) -> None:
    share = tmp_path / "share"
    app.add("work", _GATED, shared(queue_trigger()), output("done"))
    jobs = [f"job{number:02}" for number in range(40)]
    for job in jobs:
        drop(share, "jobs", job, job)
    with RunningHost(app.root, env=package) as first:
        app.wait_for_lines(1, "start")
        first.kill()
    app.write("gate", "")
    with RunningHost(app.root, env=package):
        until(lambda: not messages(share, "jobs"), 20, lambda: str(messages(share, "jobs")))
    # What was in flight may have run twice, all else once.
    assert sorted(set(bodies(share, "done"))) == jobs
    assert set(app.ledger("end")) == set(jobs)


def test_each_line_of_a_growing_file_runs_its_function_once(app: App, package: Mapping[str, str]) -> None:
    app.add("watch", _LINE, {"type": "lineTrigger", "name": "line", "path": "logs/app.log"})
    log = app.root / "logs" / "app.log"
    log.parent.mkdir()
    log.write_text("one\ntwo\nthr")
    with RunningHost(app.root, env=package) as host:
        assert sorted(app.wait_for_lines(2, "line")) == ["one", "two"]
        assert states(host)["watch"] == "listening"
        with log.open("a") as file:
            file.write("ee\n")
        assert "three" in app.wait_for_lines(3, "line")
        # A rotation: the old file goes under another name, a new one begins.
        log.rename(log.with_name("app.log.1"))
        log.write_text("four\n")
        assert "four" in app.wait_for_lines(4, "line")
    assert len(app.ledger("line")) == 4


def test_lines_written_while_no_host_runs_are_not_missed_and_none_comes_twice(
    app: App, package: Mapping[str, str]
) -> None:
    app.add("watch", _LINE, {"type": "lineTrigger", "name": "line", "path": "app.log"})
    log = app.root / "app.log"
    log.write_text("".join(f"{number}\n" for number in range(300)))
    with RunningHost(app.root, env=package) as first:
        app.wait_for_lines(50, "line")
        first.kill()
    done = len(app.ledger("line"))
    with log.open("a") as file:
        file.writelines(f"{number}\n" for number in range(300, 600))
    wanted = {str(number) for number in range(600)}
    with RunningHost(app.root, env=package):
        until(lambda: set(app.ledger("line")) == wanted, 20, lambda: f"{len(app.ledger('line'))} lines")
        until(lambda: app.peek("azure-webjobs-linetrigger-watch") == [], 5)
    # Only what was in flight when the host died may have run twice.
    assert len(app.ledger("line")) - 600 <= min(24, done)


def test_a_line_whose_function_fails_is_tried_again_and_then_given_up(
    app: App, package: Mapping[str, str]
) -> None:
    trigger = {"type": "lineTrigger", "name": "line", "path": "app.log", "maxDequeueCount": 2}
    app.add("watch", _LINE, trigger)
    (app.root / "app.log").write_text("good\nbad\n")
    with RunningHost(app.root, env=package):
        [why] = app.wait_for_poison("webjobs-linetrigger")
    assert (why["error"], why["message"], why["dequeueCount"]) == ("ValueError", "no such line", 2)
    assert sorted(app.ledger("line")) == ["bad", "bad", "good"]


def test_a_line_can_be_run_by_hand(app: App, package: Mapping[str, str]) -> None:
    app.add("watch", _LINE, {"type": "lineTrigger", "name": "line", "path": "app.log"})
    ended = funchost("run", "watch", "--data", "by hand", "--root", app.root, env=package)
    assert ended.returncode == 0, ended.stderr
    assert app.ledger("line") == ["by hand"]


def test_two_hosts_on_one_store_run_each_line_once(app: App, package: Mapping[str, str]) -> None:
    app.add("watch", _LINE, {"type": "lineTrigger", "name": "line", "path": "app.log"})
    log = app.root / "app.log"
    log.touch()
    with RunningHost(app.root, env=package) as first, RunningHost(app.root, env=package) as second:
        standing_by = "standing by: another host holds its lease"
        until(lambda: {states(first)["watch"], states(second)["watch"]} == {"listening", standing_by}, 10)
        with log.open("a") as file:
            for number in range(100):
                file.write(f"{number}\n")
                file.flush()
        app.wait_for_lines(100, "line")
        first.kill()
        with log.open("a") as file:
            file.write("after\n")
        app.wait_for_lines(101, "line")
    # What the killed host had run and not settled yet is run again.
    assert set(app.ledger("line")) == {*map(str, range(100)), "after"}
