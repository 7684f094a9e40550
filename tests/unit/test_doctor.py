"""The checks of `funchost doctor` one by one, on apps and stores that are not as they should be."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from funchost.bindings.errors import AccessDenied, QueueMissing, StoreError
from funchost.bindings.store import Store
from funchost.host.cli.doctor import check_text, summary
from funchost.host.configuration import Configuration, HostOptions
from funchost.host.operations.doctor import (
    clock,
    connections,
    functions,
    interpreter,
    named_settings,
    packages,
    settings_files,
    store,
    store_content,
    variables,
    zones,
)
from funchost.host.operations.doctor.check import Check, Outcome, doctor_document, ok, problem, warning
from funchost.host.operations.doctor.examine import EXAMINATIONS, Examination, examine
from funchost.host.operations.doctor.look import look_at
from funchost.host.operations.doctor.patient import Patient
from funchost.host.operations.doctor.probe import Environment, Package
from funchost.host.operations.doctor.requirements import lines_of, same
from funchost.host.operations.doctor.traceback_place import placed
from funchost.triggers.base import ErrorInfo
from funchost.triggers.descriptor import Problem

NOW = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)


class App(Patient):
    """An app in a folder; what its interpreter says is made up."""

    packages: tuple[Package, ...] = (Package("azure-functions", "1.21.0", []),)

    async def environment(self) -> Environment:
        return Environment(
            version="3.11.7",
            implementation="CPython",
            machine="x86_64",
            bits=64,
            modules=["queue", "json"],
            packages=list(self.packages),
            markers={"python_version": "3.11", "sys_platform": "linux"},
        )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    return tmp_path


def app(root: Path, **environ: str) -> App:
    return App(Configuration(HostOptions(root=root, environ=environ)))


def settings(root: Path, **values: str) -> None:
    (root / "local.settings.json").write_text(json.dumps({"Values": values}))


def add(root: Path, name: str, *bindings: dict[str, Any], **more: Any) -> None:
    (root / name).mkdir()
    (root / name / "function.json").write_text(json.dumps({"bindings": bindings, **more}))
    (root / name / "__init__.py").write_text("def main(job): pass\n")


def queue(name: str = "jobs", **more: Any) -> dict[str, Any]:
    return {"type": "queueTrigger", "name": "job", "queueName": name, **more}


def timer(**more: Any) -> dict[str, Any]:
    return {"type": "timerTrigger", "name": "job", "schedule": "0 0 3 * * *", **more}


async def look(patient: App) -> App:
    """Have the definitions read, and no code loaded."""
    found = await look_at(patient.configuration, load=False)
    future = asyncio.get_running_loop().create_future()
    future.set_result(found)
    patient._looking = future  # type: ignore[assignment]
    return patient


def only(checks: Iterable[Check]) -> Check:
    [one] = checks
    return one


def wrong(checks: Iterable[Check]) -> list[str]:
    return [check.found for check in checks if check.outcome in (Outcome.PROBLEM, Outcome.WARNING)]


# -- the runner


async def run(*examinations: Examination, root: Path) -> list[Check]:
    return [check async for check in examine(app(root), examinations)]


async def test_checks_are_told_in_their_order_whichever_ends_first(root: Path) -> None:
    later = asyncio.Event()

    async def first(patient: Patient) -> list[Check]:
        await later.wait()
        return [ok("a", "one")]

    async def second(patient: Patient) -> list[Check]:
        later.set()
        return [ok("b", "two")]

    found = await run(Examination("a", first), Examination("b", second), root=root)
    assert [check.name for check in found] == ["a", "b"]


async def test_a_check_that_fails_by_itself_says_so(root: Path) -> None:
    async def fails(patient: Patient) -> list[Check]:
        raise KeyError("what")

    found = only(await run(Examination("a", fails), root=root))
    assert found.outcome is Outcome.WARNING
    assert found.found == "This check could not be done: KeyError: 'what'"


async def test_a_check_that_does_not_end_is_left(root: Path) -> None:
    async def hangs(patient: Patient) -> list[Check]:
        await asyncio.Event().wait()
        return []

    found = only(await run(Examination("a", hangs, 0.01), root=root))
    assert "came to no end in 0.01 s" in found.found


async def test_a_time_out_of_its_own_is_a_failure_of_the_check(root: Path) -> None:
    async def fails(patient: Patient) -> list[Check]:
        raise TimeoutError("theirs")

    assert "TimeoutError: theirs" in only(await run(Examination("a", fails), root=root)).found


def test_every_check_has_a_name_of_its_own() -> None:
    names = [each.name for each in EXAMINATIONS]
    assert len(set(names)) == len(names) == 14


def test_the_document_has_every_key_and_the_worst_outcome() -> None:
    document = doctor_document([ok("a", "fine"), problem("b", "bad", "mend it"), warning("c", "hm")])
    assert document["outcome"] == "problem"
    assert document["checks"][1] == {
        "name": "b",
        "outcome": "problem",
        "found": "bad",
        "fix": "mend it",
        "file": None,
        "key": None,
        "line": None,
        "function": None,
    }


# -- what is printed


def test_a_check_is_printed_with_its_mark_its_place_and_what_to_do() -> None:
    check = Check(
        name="store",
        outcome=Outcome.PROBLEM,
        found="It is bad.",
        fix="Mend it.",
        file="x.json",
        key="a",
        line=3,
    )
    assert check_text(check, fancy=True, width=80).splitlines() == [
        "\x1b[31m✗  \x1b[0mstore          x.json:3 a: It is bad.",
        "                  → Mend it.",
    ]


def test_plain_letters_stand_in_where_the_terminal_has_no_signs() -> None:
    text = check_text(problem("store", "bad", "mend"), fancy=False, width=80)
    assert text.isascii()
    assert "X" in text


def test_long_texts_are_folded_below_where_they_begin() -> None:
    lines = check_text(ok("a", "word " * 60), fancy=False, width=80).splitlines()
    assert len(lines) > 3
    assert all(len(line) <= 80 + 10 for line in lines)
    assert all(line.startswith(" " * 18 + "word") for line in lines[1:])


def test_the_function_is_named_where_nothing_else_does() -> None:
    check = replace(problem("functions", "bad"), function="orders", file="function_app.py", line=3)
    assert "orders (function_app.py:3): bad" in check_text(check, fancy=False, width=80)


@pytest.mark.parametrize(
    ("checks", "text"),
    [
        ([ok("a", "x")], "All is well."),
        ([problem("a", "x"), problem("a", "x"), warning("a", "x")], "2 problems and 1 warning."),
        ([warning("a", "x"), warning("a", "x")], "2 warnings."),
    ],
)
def test_the_summary_counts(checks: list[Check], text: str) -> None:
    assert summary(checks) == text


# -- configuration, variables


async def test_problems_of_settings_files_are_told_as_a_start_tells_them(root: Path) -> None:
    (root / "host.json").write_text('{"version": "2.0", "functionTimout": "00:01:00"}')
    found = only(await settings_files.check(app(root)))
    assert (found.outcome, found.file, found.key) == (Outcome.WARNING, "host.json", "functionTimout")
    assert found.fix == "Did you mean functionTimeout?"


async def test_a_folder_without_an_app_is_told(tmp_path: Path) -> None:
    assert "has no host.json" in only(await settings_files.check(app(tmp_path))).found


async def test_variables_for_tests_are_told(root: Path) -> None:
    assert only(await variables.check(app(root))).outcome is Outcome.OK
    found = only(await variables.check(app(root, FUNCHOST_TEST_CLOCK="x", OTHER="y")))
    assert found.found.startswith("FUNCHOST_TEST_CLOCK is set")


# -- interpreter


def fake(root: Path, output: str) -> Patient:
    python = root / "python"
    python.write_text(f"#!/bin/sh\n{output}\n")
    python.chmod(0o755)
    return Patient(Configuration(HostOptions(root=root, python=python, environ={})))


async def test_the_interpreter_is_told_with_why_it_is_that(root: Path) -> None:
    patient = Patient(Configuration(HostOptions(root=root, environ={})))
    found = only(await interpreter.check(patient))
    assert found.outcome is Outcome.OK
    assert sys.executable in found.found
    assert "the app has no .venv and no environment is active" in found.found


async def test_an_interpreter_that_does_not_work_is_told(root: Path) -> None:
    found = only(await interpreter.check(fake(root, "echo no luck >&2; exit 3")))
    assert (found.outcome, "no luck" in found.found) == (Outcome.PROBLEM, True)
    assert "it was named with --python" in (found.fix or "")


async def test_an_interpreter_that_is_not_there_is_told(root: Path) -> None:
    patient = Patient(Configuration(HostOptions(root=root, python=root / "none", environ={})))
    assert "cannot be started" in only(await interpreter.check(patient)).found


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"version": "3.9.1"}, "Workers need Python 3.11 or newer, and the app has 3.9.1."),
        ({"implementation": "PyPy"}, "Azure runs CPython"),
        ({"machine": "mips", "bits": 32}, "It is a Python for mips (32 bits)"),
    ],
)
async def test_an_interpreter_that_is_not_as_the_host_is_told(
    root: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], told: str
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    patient = app(root)
    environment = msgspec.structs.replace(await patient.environment(), **changed)

    async def other() -> Environment:
        return environment

    monkeypatch.setattr(patient, "environment", other)
    found = wrong(await interpreter.check(patient))
    assert len(found) == 1
    assert found[0].startswith(told)


# -- packages


async def required(root: Path, text: str, *installed: Package) -> list[Check]:
    (root / "requirements.txt").write_text(text)
    patient = app(root)
    patient.packages = (*patient.packages, *installed)
    return list(await packages.check(patient))


async def test_all_is_well_where_everything_is_installed(root: Path) -> None:
    text = "# ours\nazure-functions\nMy_Package[extra]>=1.0,<2 ; python_version >= '3'  # why\n"
    found = await required(root, text, Package("my.package", "1.5", []))
    assert wrong(found) == []
    assert found[-1].found == "All that requirements.txt names is installed."


async def test_what_is_missing_or_does_not_match_is_told_with_its_line(root: Path) -> None:
    found = await required(root, "a==1\nb>=2\n", Package("b", "1.9", []))
    told = [(check.line, check.found, check.outcome) for check in found if check.line]
    assert told == [
        (1, "a is not installed.", Outcome.PROBLEM),
        (2, "b 1.9 is installed, and >=2 is asked for.", Outcome.PROBLEM),
    ]
    assert "-m pip install -r" in (found[-1].fix or "")


async def test_requirements_for_other_machines_do_not_count(root: Path) -> None:
    assert wrong(await required(root, "a==1; sys_platform == 'win32'\nb; extra == 'x'\n")) == []


async def test_files_that_are_included_are_read_and_options_and_paths_left_out(root: Path) -> None:
    (root / "more.txt").write_text("b\n")
    text = "-r more.txt\n--index-url https://x\n-e .\n./a.whl\nhttps://x/y.zip\nc @ https://x/c.whl\nd \\\n --hash=sha256:0\n"
    (root / "requirements.txt").write_text(text)
    assert [(line.file, line.text) for line in lines_of(root)] == [
        ("more.txt", "b"),
        ("requirements.txt", "c @ https://x/c.whl"),
        ("requirements.txt", "d"),
    ]


async def test_what_is_no_requirement_is_told(root: Path) -> None:
    assert "'a b c' is not a requirement." in wrong(await required(root, "a b c\n"))


async def test_an_included_file_that_is_not_there_is_told(root: Path) -> None:
    assert "cannot be read" in wrong(await required(root, "-r none.txt\n"))[0]


async def test_packages_that_do_not_go_together_are_told(root: Path) -> None:
    installed = (Package("a", "1.0", ["b>=2", "c; extra == 'x'"]), Package("b", "1.0", []))
    assert wrong(await required(root, "a\n", *installed)) == ["a 1.0 needs b>=2, and b 1.0 is installed."]


async def test_packages_that_the_app_does_not_ask_for_may_clash(root: Path) -> None:
    assert wrong(await required(root, "b\n", Package("a", "1", ["b>=2"]), Package("b", "1", []))) == []


async def test_without_the_sdk_the_hosts_copy_is_told(root: Path) -> None:
    patient = app(root)
    patient.packages = ()
    assert "azure-functions is not installed for the app" in wrong(await packages.check(patient))[0]


async def test_packages_of_the_platform_and_hidden_modules_are_told(root: Path) -> None:
    (root / "queue.py").touch()
    found = wrong(await required(root, "", Package("azure_functions_worker", "1", [])))
    assert any("azure-functions-worker 1 is installed" in text for text in found)
    assert any("queue.py cannot be imported" in text for text in found)


def test_names_of_packages_are_the_same_however_they_are_spelled() -> None:
    assert same("Azure.Functions_x") == "azure-functions-x"


# -- functions, settings, zones


async def test_each_function_is_told_with_its_trigger_or_its_errors(root: Path) -> None:
    add(root, "good", queue())
    add(root, "bad", queue("Not A Queue!"))
    found = list(await functions.check(await look(app(root))))
    assert [(check.function, check.outcome) for check in found] == [
        ("bad", Outcome.PROBLEM),
        ("good", Outcome.OK),
    ]
    assert found[0].place == "bad/function.json:1 bindings[0].queueName"


async def test_routes_that_collide_are_told(root: Path) -> None:
    for name in ("a", "b"):
        add(root, name, {"type": "httpTrigger", "name": "job", "route": "same"})
    assert len(wrong(await functions.check(await look(app(root))))) == 1


async def test_an_app_without_functions_is_no_problem(root: Path) -> None:
    assert only(await functions.check(await look(app(root)))).outcome is Outcome.SKIPPED


async def test_a_setting_that_is_nowhere_is_told_with_the_nearest_one(root: Path) -> None:
    settings(root, ORDER_QUEUE="orders")
    add(root, "f", queue("%ORDERS_QUEUE%"))
    found = only(await named_settings.check(await look(app(root))))
    assert (found.outcome, found.file, found.key) == (
        Outcome.PROBLEM,
        "f/function.json",
        "bindings[0].queueName",
    )
    assert "'ORDERS_QUEUE'" in found.found
    assert "Did you mean ORDER_QUEUE?" in (found.fix or "")


async def test_a_connection_that_is_nowhere_is_told_with_the_nearest_one(root: Path) -> None:
    settings(root, Orders__provider="aws", Orders__region="eu-west-1")
    add(root, "f", queue(connection="Order"))
    found = only(await named_settings.check(await look(app(root))))
    assert found.outcome is Outcome.WARNING
    assert "The connection 'Order' is set nowhere" in found.found
    assert "Did you mean Orders?" in (found.fix or "")


async def test_a_connection_to_what_is_not_served_here_is_told_and_not_asked(root: Path) -> None:
    add(root, "f", {"type": "serviceBusTrigger", "name": "job", "queueName": "q", "connection": "Bus"})
    patient = await look(app(root))
    found = only(await named_settings.check(patient))
    assert found.found == "The connection 'Bus' is set nowhere: Azure would refuse it."
    assert only(await connections.check(patient)).found == "AzureWebJobsStorage is the embedded store."


async def test_settings_that_are_there_are_well_wherever_they_are(root: Path) -> None:
    settings(root, A="jobs", AzureWebJobsOrders="UseDevelopmentStorage=true")
    add(root, "f", queue("%a%", connection="Orders"), disabled="%B%")
    add(root, "g", queue(connection="AzureWebJobsStorage"))
    found = only(await named_settings.check(await look(app(root, B="1"))))
    assert found.found == "All 3 that functions name are there."


async def test_a_setting_that_is_named_in_a_broken_definition_is_told_too(root: Path) -> None:
    add(root, "f", {"type": "nothingTrigger", "name": "x", "path": "%GONE%/x"})
    assert "'GONE'" in only(await named_settings.check(await look(app(root)))).found


async def test_zones_that_are_not_known_are_told(root: Path) -> None:
    add(root, "f", timer(timeZone="Europe/Berln"))
    found = only(await zones.check(await look(app(root))))
    assert (found.outcome, found.function) == (Outcome.PROBLEM, "f")
    assert found.fix == "Did you mean Europe/Berlin?"


async def test_the_zone_of_the_settings_counts_for_timers_without_one(root: Path) -> None:
    settings(root, WEBSITE_TIME_ZONE="Mars/North")
    add(root, "f", timer())
    assert "'Mars/North'" in wrong(await zones.check(await look(app(root))))[0]


async def test_a_machine_without_zones_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoneinfo.available_timezones", set)
    assert "pip install tzdata" in (only(await zones.check(app(root))).fix or "")


# -- connections


@pytest.mark.parametrize(
    ("error", "outcome", "told"),
    [
        (None, Outcome.OK, "queue q answers"),
        (AccessDenied("No."), Outcome.PROBLEM, "permission denied"),
        (QueueMissing("No."), Outcome.PROBLEM, "does not exist"),
        (StoreError("The network is down."), Outcome.PROBLEM, "The network is down."),
    ],
)
async def test_what_a_connection_answers_is_told(
    root: Path, monkeypatch: pytest.MonkeyPatch, error: Exception | None, outcome: Outcome, told: str
) -> None:
    settings(root, Cloud__provider="aws", Cloud__region="eu-west-1")
    add(root, "f", queue("q", connection="Cloud"))

    def ask(storage: object, name: str) -> None:
        if error:
            raise error

    monkeypatch.setattr(connections, "_ask_sqs", ask)
    found = list(await connections.check(await look(app(root))))
    assert (found[-1].outcome, told in found[-1].found) == (outcome, True)
    assert found[0].found == "AzureWebJobsStorage is the embedded store."


async def test_who_only_writes_need_not_be_allowed_to_look(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(root, Cloud__provider="aws", Cloud__region="eu-west-1")
    output = {"type": "queue", "direction": "out", "name": "o", "queueName": "q", "connection": "Cloud"}
    add(root, "f", queue(), output)

    def ask(storage: object, name: str) -> None:
        raise AccessDenied("No.")

    monkeypatch.setattr(connections, "_ask_sqs", ask)
    assert list(await connections.check(await look(app(root))))[-1].outcome is Outcome.WARNING


async def test_a_queue_that_is_made_when_sent_to_need_not_be_there(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(root, Cloud__provider="aws", Cloud__region="eu-west-1", Cloud__createQueues="true")
    add(root, "f", queue("q", connection="Cloud"))

    def ask(storage: object, name: str) -> None:
        raise QueueMissing

    monkeypatch.setattr(connections, "_ask_sqs", ask)
    assert list(await connections.check(await look(app(root))))[-1].outcome is Outcome.OK


async def test_a_silent_endpoint_is_not_waited_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings(root, Cloud__provider="aws", Cloud__region="eu-west-1")
    add(root, "f", queue("q", connection="Cloud"))
    monkeypatch.setattr(connections, "LIMIT", 0.01)

    async def aside(work: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(connections, "aside", aside)
    assert "does not answer within" in list(await connections.check(await look(app(root))))[-1].found


async def test_a_connection_that_cannot_be_used_is_a_problem(root: Path) -> None:
    settings(root, Cloud__provider="nobody", Old="AccountName=x;AccountKey=y")
    add(root, "f", queue(connection="Cloud"))
    add(root, "g", queue(connection="Old"))
    found = [
        each for each in await connections.check(await look(app(root))) if each.outcome is Outcome.PROBLEM
    ]
    assert len(found) == 2
    assert all(each.fix for each in found)


# -- the store


async def made_store(root: Path) -> Path:
    folder = root / ".funchost"
    await Store(folder).close()
    return folder / "store.db"


def change(path: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement, values)
    connection.close()


def message(path: Path, name: str, at: int = 0, owner: str | None = None) -> None:
    change(
        path,
        "INSERT INTO messages (queue, message_id, body, inserted_at, visible_at, owner) VALUES (?, 'x', '', ?, 0, ?)",
        name,
        at,
        owner,
    )


async def test_a_store_that_is_not_there_is_not_made(root: Path) -> None:
    assert only(await store.check(app(root))).outcome is Outcome.SKIPPED
    assert not (root / ".funchost").exists()


async def test_a_store_that_is_well_is_told_with_its_size(root: Path) -> None:
    await made_store(root)
    found = only(await store.check(app(root)))
    assert found.outcome is Outcome.OK
    assert "can be read and whole: version" in found.found


async def test_a_damaged_store_is_a_problem(root: Path) -> None:
    path = await made_store(root)
    for number in range(200):
        message(path, f"queue-{number}")
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 12] = b"\xff" * (4096 * 9)
    path.write_bytes(content)
    found = [each for each in await store.check(app(root)) if each.outcome is Outcome.PROBLEM]
    assert found
    assert ".recover" in (found[0].fix or "")


async def test_a_file_that_is_no_store_is_a_problem(root: Path) -> None:
    path = await made_store(root)
    path.write_bytes(b"words" * 2000)
    found = next(each for each in await store.check(app(root)) if each.outcome is Outcome.PROBLEM)
    assert "cannot be read" in found.found


async def test_a_store_of_a_newer_version_is_a_problem(root: Path) -> None:
    change(await made_store(root), "PRAGMA user_version = 999")
    assert "is of a newer funchost (version 999" in wrong(await store.check(app(root)))[0]


async def test_a_store_that_others_may_read_is_told(root: Path) -> None:
    (await made_store(root)).chmod(0o644)
    found = next(each for each in await store.check(app(root)) if each.outcome is Outcome.WARNING)
    assert "may be used by others than its owner" in found.found


async def test_a_disk_with_little_room_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, outcome in ((100 * 2**20, Outcome.WARNING), (2**20, Outcome.PROBLEM)):
        usage = type("Usage", (), {"free": free})
        monkeypatch.setattr("shutil.disk_usage", lambda folder, usage=usage: usage)
        assert next(iter(await store.check(app(root)))).outcome is outcome


async def test_a_network_file_system_is_a_problem(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "network_type", lambda folder: "nfs4")
    assert "on a network file system (nfs4)" in wrong(await store.check(app(root)))[0]


async def test_a_check_of_a_large_store_is_broken_off(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = await made_store(root)
    for number in range(50):
        message(path, f"queue-{number}")
    monkeypatch.setattr(store, "LIMIT", -1.0)
    monkeypatch.setattr(store, "_STEPS", 1)
    found = list(await store.check(app(root)))
    assert "too large to be checked" in found[0].found
    assert "whole:" not in found[-1].found


# -- what lies in it


async def test_messages_that_nobody_takes_are_told(root: Path) -> None:
    path = await made_store(root)
    add(root, "f", queue("orders"))
    message(path, "orders")
    message(path, "order")
    found = only(await store_content.check(await look(app(root))))
    assert found.found.startswith("1 message in the queue order, which no function")
    assert "Did you mean the queue orders?" in (found.fix or "")


async def test_poison_messages_are_counted(root: Path) -> None:
    path = await made_store(root)
    add(root, "f", queue("orders", poisonQueueName="bad"))
    for name in ("bad", "bad", "webjobs-blobtrigger-poison"):
        message(path, name)
    found = wrong(await store_content.check(await look(app(root))))
    assert found == [
        "2 messages given up in the queue bad.",
        "1 message given up in the queue webjobs-blobtrigger-poison.",
    ]


async def test_changes_that_wait_for_their_function_are_no_leftovers(root: Path) -> None:
    path = await made_store(root)
    add(root, "f", {"type": "fileTrigger", "name": "job", "path": "in/{name}"})
    message(path, "azure-webjobs-filetrigger-f")
    assert wrong(await store_content.check(await look(app(root)))) == []


async def test_nothing_is_said_of_queues_while_functions_may_be_hidden(root: Path) -> None:
    message(await made_store(root), "orders")
    settings(root, PYTHON_SCRIPT_FILE_NAME="no/script")
    assert wrong(await store_content.check(await look(app(root)))) == []


async def test_what_a_dead_host_left_is_told(root: Path) -> None:
    path = await made_store(root)
    add(root, "f", queue("orders"))
    change(path, "INSERT INTO hosts VALUES ('gone', 12, 0)")
    message(path, "orders", owner="gone")
    found = only(await store_content.check(await look(app(root))))
    assert "A host (process 12) died and left 1 message that it had in flight" in found.found


# -- the clock


def test_a_clock_that_is_right_is_not_mentioned() -> None:
    assert not list(clock.judged(NOW, timedelta(0), NOW))


@pytest.mark.parametrize(
    ("now", "stepped", "newest", "told"),
    [
        (datetime(1970, 1, 2, tzinfo=UTC), 0.0, None, "shows 1970-01-02, which is past"),
        (NOW, -2.5, None, "was set by -2.50 s"),
        (NOW, 0.0, NOW + timedelta(hours=3, minutes=5), "3 h 5 min after now"),
    ],
)
def test_a_clock_that_is_wrong_is_told(
    now: datetime, stepped: float, newest: datetime | None, told: str
) -> None:
    assert told in only(clock.judged(now, timedelta(seconds=stepped), newest)).found


async def test_the_newest_row_of_the_store_is_compared(root: Path) -> None:
    ahead = datetime.now(UTC) + timedelta(days=2)
    message(await made_store(root), "jobs", int(ahead.timestamp() * 1000))
    assert "The newest row of the store" in wrong(await clock.check(app(root)))[0]


# -- places


def test_an_error_has_the_innermost_line_of_the_apps_own_code(tmp_path: Path) -> None:
    text = f'  File "{tmp_path}/a.py", line 3\n  File "{tmp_path}/b.py", line 5\n  File "/lib/x.py", line 7\n'
    found = placed(Problem("x"), ErrorInfo("E", "x", text), tmp_path)
    assert (found.file, found.line) == ("b.py", 5)
    assert placed(Problem("x"), ErrorInfo("E", "x", ""), tmp_path).file is None
