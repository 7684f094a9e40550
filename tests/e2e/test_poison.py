"""`funchost poison` on a running app: the order that is poison is found, understood, mended and replayed."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from e2e.apps import App, queue_trigger, request, until
from e2e.asked import at_terminal
from e2e.emulated import emulator_of
from e2e.running import DEADLINE, RunningHost, funchost

pytestmark = pytest.mark.e2e

SAMPLES = Path(__file__).parents[2]

#: Fails for every body with "bad" in it, with two kinds of errors.
WORK = """
from ledger import note

def main(job: str):
    note("work", job)
    if "bad" in job:
        raise (KeyError if "key" in job else ValueError)(f"cannot do {job}")
"""


def poison(app: App | Path, *arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    root = app.root if isinstance(app, App) else app
    return funchost("poison", *arguments, "--root", root, data=data)


def told(done: subprocess.CompletedProcess[bytes]) -> tuple[int, str]:
    return done.returncode, done.stderr.decode()


def listed(app: App | Path, *arguments: str) -> list[dict[str, Any]]:
    done = poison(app, "list", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    groups: list[dict[str, Any]] = json.loads(done.stdout)
    return groups


@pytest.fixture
def app(tmp_path: Path) -> App:
    app = App(tmp_path / "app")
    app.add("Work", WORK, queue_trigger(maxDequeueCount=1))
    return app


@pytest.fixture(scope="module")
def once_spoilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    app = App(tmp_path_factory.mktemp("spoilt") / "app")
    app.add("Work", WORK, queue_trigger(maxDequeueCount=1))
    with RunningHost(app.root):
        app.send("jobs", "bad 1", "bad 2", "bad key")
        app.wait_for_poison("jobs", 3)
    return app.root


@pytest.fixture
def spoilt(once_spoilt: Path, tmp_path: Path) -> App:
    """An app without a host, with three messages that were given up."""
    shutil.copytree(once_spoilt, tmp_path / "spoilt")
    return App(tmp_path / "spoilt")


# -- the walk-through of the README


def test_a_poisoned_order_is_found_understood_edited_and_replayed_and_its_run_is_linked_to_the_old(
    tmp_path: Path,
) -> None:
    root = tmp_path / "shop"
    shutil.copytree(SAMPLES / "functions", root / "functions")
    shutil.copy(SAMPLES / "host.json", root)
    order = {"customer": "bob", "item": "tea", "quantity": "three", "price": 4.5}
    with RunningHost(root) as host:
        assert request(host, "/api/orders", json.dumps(order).encode())[0] == 202
        until(lambda: listed(root), DEADLINE)
        [group] = listed(root)
        assert (group["queue"], group["function"], group["count"]) == ("orders-poison", "fulfil", 1)
        assert group["message"] == "invalid literal for int() with base 10: 'three'"

        shown = json.loads(poison(root, "show", group["example"], "--json").stdout)
        assert (shown["attempts"], shown["dequeueCount"], len(shown["runs"])) == (6, 3, 3)
        text = poison(root, "show", group["example"][:13]).stdout.decode()
        for part in (
            '"quantity": "three"',
            'int(order["quantity"])',
            f"run       {shown['runs'][0]}  failed",
        ):
            assert part in text

        editor = tmp_path / "editor.py"
        editor.write_text(
            "import pathlib, sys\n"
            "file = pathlib.Path(sys.argv[1])\n"
            "file.write_text(file.read_text().replace('\"three\"', '3'))\n"
        )
        visual = {"VISUAL": shlex.join([sys.executable, str(editor)])}
        code, said = at_terminal("poison", "edit", group["example"], "--root", root, env=visual)
        assert (code, "Changed." in said) == (0, True), said

        assert told(poison(root, "replay", group["example"]))[0] == 0
        until(lambda: list((root / ".funchost/blobs/receipts").glob("*.json")), DEADLINE)
        until(lambda: _runs(root, "--replay-of", shown["runs"][-1], "--state", "succeeded"), DEADLINE)
        [run] = _runs(root, "--replay-of", shown["runs"][-1])
        assert (run["function"], run["state"]) == ("fulfil", "succeeded")
        page = funchost("runs", "show", run["id"], "--root", root).stdout.decode()
        assert f"replay of  {shown['runs'][-1]}" in page
    assert listed(root) == []


def _runs(root: Path, *arguments: str) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = json.loads(
        funchost("runs", "list", *arguments, "--json", "--root", root).stdout
    )
    return runs


# -- which ones


def test_an_app_that_never_ran_has_none_and_gets_no_store_by_the_question(app: App) -> None:
    assert listed(app) == []
    assert told(poison(app, "list")) == (0, "No message was given up.\n")
    assert told(poison(app, "replay", "--all", "--yes")) == (0, "No such message was given up.\n")
    assert told(poison(app, "show", "abc"))[0] == 5
    assert told(poison(app, "replay", "abc"))[0] == 5
    assert poison(app, "export").stdout == b""


def test_groups_filters_and_wrong_filters(spoilt: App) -> None:
    assert [(one["error"], one["count"]) for one in listed(spoilt)] == [
        ("ValueError", 2),
        ("KeyError", 1),
    ]
    assert len(listed(spoilt, "jobs")) == len(listed(spoilt, "jobs-poison")) == 2
    assert listed(spoilt, "--error", "keyerror")[0]["count"] == 1
    assert listed(spoilt, "--function", "other") == listed(spoilt, "--since", "2100-01-01") == []
    assert told(poison(spoilt, "list", "jbos"))[0] == 5
    assert "Did you mean jobs?" in told(poison(spoilt, "list", "jbos"))[1]
    assert told(poison(spoilt, "list", "--since", "soon"))[0] == 2


@pytest.mark.parametrize("command", ["replay", "delete"])
def test_what_is_meant_has_to_be_said_in_one_way(spoilt: App, command: str) -> None:
    for arguments in ((), ("a", "--all"), ("--all", "--function", "Work"), ("",)):
        assert told(poison(spoilt, command, *arguments))[0] == 2
    assert told(poison(spoilt, command, "nothing-like-that"))[0] == 5
    assert told(poison(spoilt, command, "--queue", "nowhere", "--yes"))[0] == 5
    assert sum(group["count"] for group in listed(spoilt)) == 3


@pytest.mark.parametrize("command", ["replay", "delete"])
def test_several_are_counted_first_and_nothing_is_done_unless_somebody_agrees(
    spoilt: App, command: str
) -> None:
    code, said = told(poison(spoilt, command, "--error", "ValueError"))
    assert code == 2
    assert "2 messages (jobs-poison" in said
    assert "--yes" in said
    code, said = at_terminal("poison", command, "--all", "--root", spoilt.root, typed="n\n")
    assert (code, "3 messages (jobs-poison" in said) == (130, True), said
    code, said = told(poison(spoilt, command, "--all", "--dry-run"))
    assert (code, said.startswith(f"Would {command} 3 messages")) == (0, True)
    dry = json.loads(poison(spoilt, command, "--all", "--dry-run", "--json").stdout)
    assert (dry["count"], dry["dryRun"], len(dry["messages"])) == (3, True, 3)
    assert len(spoilt.peek("jobs-poison")) == 3
    code, said = at_terminal("poison", command, "--all", "--root", spoilt.root, typed="y\n")
    assert (code, spoilt.peek("jobs-poison")) == (0, []), said


# -- what is done


def test_a_filter_is_replayed_by_the_function_that_failed_and_the_others_stay(spoilt: App) -> None:
    spoilt.write("Work/__init__.py", WORK.replace('"bad" in job', "False"))
    with RunningHost(spoilt.root):
        code, said = told(poison(spoilt, "replay", "--error", "ValueError", "--rate", "50/s", "--yes"))
        assert (code, said) == (0, "Replayed 2 messages.\n")
        spoilt.wait_for_lines(5, "work")
        spoilt.wait_until_empty("jobs")
    assert sorted(spoilt.ledger("work")) == ["bad 1", "bad 1", "bad 2", "bad 2", "bad key"]
    assert [message.body for message in spoilt.peek("jobs-poison")] == [b"bad key"]


def test_messages_may_be_moved_elsewhere(spoilt: App) -> None:
    done = poison(spoilt, "replay", "--all", "--to", "later", "--yes", "--json")
    assert json.loads(done.stdout) == {"chosen": 3, "replayed": 3, "passedOver": []}
    assert len(spoilt.peek("later")) == 3
    assert "replayOf" in spoilt.peek("later")[0].properties
    assert told(poison(spoilt, "replay", "--all", "--to", "Not A Queue", "--yes"))[0] == 2


def test_one_that_is_named_is_deleted_without_a_question(spoilt: App) -> None:
    [group] = listed(spoilt, "--error", "KeyError")
    assert told(poison(spoilt, "delete", group["example"])) == (0, "Deleted 1 message.\n")
    assert told(poison(spoilt, "delete", group["example"]))[0] == 5
    assert len(spoilt.peek("jobs-poison")) == 2


def test_an_export_has_one_object_a_line_with_all_of_the_reason(spoilt: App, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in poison(spoilt, "export").stdout.splitlines()]
    assert sorted(line["body"] for line in lines) == ["bad 1", "bad 2", "bad key"]
    assert all("raise" in line["traceback"] for line in lines)
    file = tmp_path / "kept.jsonl"
    code, said = told(poison(spoilt, "export", str(file), "--error", "KeyError"))
    assert (code, said) == (0, f"Wrote 1 message to {file}.\n")
    assert json.loads(file.read_text())["body"] == "bad key"
    assert told(poison(spoilt, "export", str(tmp_path / "none" / "x")))[0] == 1


def test_a_body_may_be_given_instead_of_edited_and_an_editor_that_changes_nothing_changes_nothing(
    spoilt: App,
) -> None:
    [group] = listed(spoilt, "--error", "KeyError")
    id_ = group["example"]
    code, said = at_terminal("poison", "edit", id_, "--root", spoilt.root, env={"VISUAL": "true"})
    assert (code, "Nothing was changed." in said) == (0, True), said
    assert told(poison(spoilt, "edit", id_))[0] == 2
    assert told(poison(spoilt, "edit", id_, "--data", "x" * 70_000))[0] == 2
    assert told(poison(spoilt, "edit", id_, "--data", "-", data=b"good"))[0] == 0
    assert json.loads(poison(spoilt, "show", id_, "--json").stdout)["body"] == "good"
    assert told(poison(spoilt, "edit", "none", "--data", "x"))[0] == 5


@pytest.mark.parametrize("columns", [80, 160])
def test_the_list_fits_the_terminal(spoilt: App, columns: int) -> None:
    for command in (("poison", "list"), ("queues", "list"), ("functions", "list")):
        code, shown = at_terminal(*command, "--root", spoilt.root, columns=columns)
        assert code == 0, shown
        assert max(map(len, shown.splitlines())) <= columns, shown


def test_on_sqs_it_is_the_same(app: App) -> None:
    with RunningHost(app.root, "--emulator", "aws") as host:
        aws = emulator_of(host)
        until(lambda: "jobs" in aws.queues(), DEADLINE)
        aws.send("jobs", "bad 1", "bad key")
        until(lambda: "jobs-poison" in aws.queues() and aws.counts("jobs-poison")[0] == 2, DEADLINE)
        [group] = listed(app, "--error", "KeyError")
        assert (group["queue"], group["count"]) == ("jobs-poison", 1)
        assert told(poison(app, "edit", group["example"], "--data", "good now"))[0] == 0
        [group] = listed(app, "--error", "KeyError")
        assert told(poison(app, "replay", group["example"]))[0] == 0
        app.wait_for_lines(1, "work good")
        code, said = told(poison(app, "delete", "--all", "--yes"))
        assert (code, said) == (0, "Deleted 1 message.\n")
        assert aws.counts("jobs-poison") == (0, 0)
