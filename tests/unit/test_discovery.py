import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from funchost.host.app.discovery import Discovery, Finder
from funchost.host.app.function_json import fields_of, is_function_name
from funchost.host.app.function_models import NOT_SERVED, TRIGGER_FIELDS, FunctionJson
from funchost.host.config.settings import Settings
from funchost.host.workers.frames import Indexed
from funchost.triggers.descriptor import (
    Policy,
    QueuePolicy,
    RetryPolicy,
    RetryStrategy,
    SingletonMode,
    SingletonPolicy,
)
from funchost.triggers.fields import QueueTriggerFields

QUEUE: dict[str, Any] = {"type": "queueTrigger", "name": "msg", "queueName": "orders"}
MANUAL: dict[str, Any] = {"type": "manualTrigger", "name": "x"}

MakeFunction = Callable[..., Path]


@pytest.fixture
def make_function(tmp_path: Path) -> MakeFunction:
    def make(
        name: str, *bindings: Any, text: str | None = None, script: str = "__init__.py", **top: Any
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        content = json.dumps({"bindings": list(bindings), **top}, indent=1) if text is None else text
        (folder / "function.json").write_text(content, encoding="utf-8")
        if script:
            (folder / script).touch()
        return folder

    return make


def find(
    root: Path,
    environ: Mapping[str, str] | None = None,
    *,
    only: set[str] | None = None,
    host: dict[str, Any] | None = None,
) -> Discovery:
    if host is not None:
        (root / "host.json").write_text(json.dumps({"version": "2.0", **host}))
    loaded = Settings.load(root, environ or {})
    assert loaded.problems == ()
    return Finder(root=root, settings=loaded.app, host_json=loaded.host_json, only=only).find()


def policy(
    root: Path, host: dict[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> Policy:
    found = find(root, environ, host=host)
    assert found.problems == ()
    return found.functions[0].policy


def told(found: Discovery) -> list[tuple[str | None, str, str | None]]:
    return [(each.key, each.severity, each.function) for each in found.problems]


def test_a_function_is_read_with_its_bindings_in_their_known_spelling(
    tmp_path: Path, make_function: MakeFunction
) -> None:
    make_function(
        "Orders",
        {
            "Name": "msg",
            "TYPE": "QueueTrigger",
            "direction": "IN",
            "queuename": "New-Orders",
            "DATATYPE": "Binary",
        },
        {"name": "item", "type": "BLOB", "direction": "in", "path": "items/{id}.json"},
        {"name": "$return", "type": "blob", "direction": "Out", "path": "receipts/{id}.json"},
        entrypoint="run",
        **{"$schema": "x", "generatedBy": "y"},
    )
    found = find(tmp_path)
    assert found.problems == ()
    (function,) = found.functions
    assert (function.name, function.entry_point, function.disabled) == ("Orders", "run", False)
    assert (function.directory, function.script_file) == (
        tmp_path / "Orders",
        tmp_path / "Orders" / "__init__.py",
    )
    assert function.trigger.type == "queueTrigger"
    assert function.trigger.data_type == "binary"
    assert function.trigger.fields == {"queueName": "new-orders"}
    assert [each.name for each in function.inputs] == ["item"]
    assert [each.name for each in function.outputs] == ["$return"]
    assert fields_of(function.trigger, QueueTriggerFields).queueName == "new-orders"


def test_functions_stand_in_the_root_and_in_its_functions_folder(
    tmp_path: Path, make_function: MakeFunction
) -> None:
    for name in (
        "b",
        "functions/A",
        ".hidden",
        ".venv",
        "node_modules",
        "functions/__pycache__",
        "deep/er",
        "c/d",
    ):
        make_function(name, MANUAL)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").touch()
    found = find(tmp_path)
    assert found.problems == ()
    assert [each.name for each in found.functions] == ["A", "b"]


def test_a_bad_function_is_left_out_with_all_its_reasons_and_the_others_run(
    tmp_path: Path, make_function: MakeFunction
) -> None:
    make_function("bad", {"type": "queueTriger", "name": "a-b"}, timeout="x", retry={}, script="")
    make_function("good", MANUAL)
    found = find(tmp_path)
    assert [each.name for each in found.functions] == ["good"]
    assert told(found) == [
        ("timeout", "error", "bad"),
        ("retry.maxRetryCount", "error", "bad"),
        ("bindings[0].type", "error", "bad"),
        ("scriptFile", "error", "bad"),
    ]


def test_broken_json_is_told_with_its_line(tmp_path: Path, make_function: MakeFunction) -> None:
    make_function("bad", text='{"bindings": [\n{"type" "x"}]}')
    (problem,) = find(tmp_path).problems
    assert (problem.file, problem.line, problem.function) == ("bad/function.json", 2, "bad")


@pytest.mark.parametrize(
    "text", ["[]", "5", '{"bindings": {}}', '{"bindings": [5]}', "{}", '{"bindings": []}', "{" * 999]
)
def test_json_of_another_shape_is_told(tmp_path: Path, make_function: MakeFunction, text: str) -> None:
    make_function("bad", text=text)
    found = find(tmp_path)
    assert found.functions == ()
    assert {each.severity for each in found.problems} == {"error"}


@pytest.mark.parametrize(
    ("bindings", "key", "sentence"),
    [
        ([{"type": "http", "name": "r", "direction": "out"}], "bindings", "no trigger"),
        ([MANUAL, {**QUEUE, "name": "y"}], "bindings[1].type", "2 triggers"),
        ([MANUAL, {"type": "http", "name": "X", "direction": "out"}], "bindings[1].name", "Two bindings"),
        ([{"type": "manualTrigger"}], "bindings[0].name", "missing"),
        ([{"type": "manualTrigger", "name": "a-b"}], "bindings[0].name", "cannot be the name of a binding"),
        ([{"type": "manualTrigger", "name": "a__b"}], "bindings[0].name", "cannot be the name of a binding"),
        ([{"type": "manualTrigger", "name": "1a"}], "bindings[0].name", "cannot be the name of a binding"),
        (
            [{"type": "manualTrigger", "name": "a" * 129}],
            "bindings[0].name",
            "cannot be the name of a binding",
        ),
        ([{"type": "manualTrigger", "name": "$return"}], "bindings[0].name", "always an output"),
        ([{"type": "manualTrigger", "name": "x", "direction": "up"}], "bindings[0].direction", "not one of"),
        (
            [{"type": "manualTrigger", "name": "x", "direction": "inout"}],
            "bindings[0].direction",
            "not a direction",
        ),
        ([MANUAL, {"type": "http", "name": "r"}], "bindings[1].direction", "the default"),
        ([MANUAL, {"type": "queue", "name": "r", "direction": "out"}], "bindings[1].queueName", "missing"),
        ([{**QUEUE, "queueName": "a_b"}], "bindings[0].queueName", "not a queue name"),
        ([{**QUEUE, "queueName": "{id}"}], "bindings[0].queueName", "cannot depend on an event"),
        ([{**QUEUE, "queueName": ""}], "bindings[0].queueName", "empty"),
        ([{**QUEUE, "batchSize": 0}], "bindings[0].batchSize", "out of range"),
        ([{**QUEUE, "poisonQueueName": "A B"}], "bindings[0].poisonQueueName", "not a queue name"),
        ([{"type": "blobTrigger", "name": "x", "path": "{c}/x"}], "bindings[0].path", "container"),
        ([{"type": "blobTrigger", "name": "x", "path": "cont/../{a}"}], "bindings[0].path", "leave"),
        (
            [{"type": "blobTrigger", "name": "x", "path": "cont", "scanInterval": "0"}],
            "bindings[0].scanInterval",
            "0.1",
        ),
        ([{"type": "fileTrigger", "name": "x", "path": "in/"}], "bindings[0].path", "does not name a file"),
        (
            [{"type": "fileTrigger", "name": "x", "path": "a", "changeTypes": ["Created", "craeted"]}],
            "bindings[0].changeTypes[1]",
            "not one of",
        ),
        ([MANUAL, {"type": "blob", "name": "b", "path": "cont"}], "bindings[1].path", "not a blob path"),
        ([MANUAL, {"type": "blob", "name": "b", "path": "cont/{a"}], "bindings[1].path", "single"),
        (
            [MANUAL, {"type": "blob", "name": "b", "path": "CO/{a}"}],
            "bindings[1].path",
            "not a container name",
        ),
        (
            [MANUAL, {"type": "blob", "name": "b", "path": "cont/../{a}"}],
            "bindings[1].path",
            "leads out of its container",
        ),
        ([MANUAL, {"type": "blob", "name": "b", "path": "https://a/b/{c}"}], "bindings[1].path", "address"),
        (
            [
                MANUAL,
                {
                    "type": "queue",
                    "name": "q",
                    "direction": "out",
                    "queueName": "que",
                    "visibilityDelay": "-1",
                },
            ],
            "bindings[1].visibilityDelay",
            "-1 cannot be used here",
        ),
        (
            [
                MANUAL,
                {"type": "queue", "name": "q", "direction": "out", "queueName": "que", "timeToLive": 60},
            ],
            "bindings[1].timeToLive",
            "60 is not a duration",
        ),
    ],
)
def test_a_rule_that_is_broken_takes_the_function_out(
    tmp_path: Path, make_function: MakeFunction, bindings: list[Any], key: str, sentence: str
) -> None:
    make_function("bad", *bindings)
    found = find(tmp_path)
    assert found.functions == ()
    (problem,) = (each for each in found.problems if each.severity == "error")
    assert (problem.file, problem.key, problem.function) == ("bad/function.json", key, "bad")
    assert sentence in problem.message
    assert problem.line is not None


@pytest.mark.parametrize("name", ["my_timer", "_private", "_", "a" * 128])
def test_a_binding_is_named_as_python_names_parameters(
    tmp_path: Path, make_function: MakeFunction, name: str
) -> None:
    make_function("good", {"type": "manualTrigger", "name": name})
    assert find(tmp_path).functions[0].trigger.name == name


def test_a_type_of_azure_is_told_apart_from_a_misspelt_one(
    tmp_path: Path, make_function: MakeFunction
) -> None:
    make_function("a", {"type": "EventHubTriger", "name": "x"})
    make_function("b", {"type": "queueTriger", "name": "x"})
    make_function("c", {"type": "mqttTrigger", "name": "x"})
    problems = find(tmp_path).problems
    assert [each.message for each in problems] == [
        "'EventHubTriger' is not a known binding type.",
        "'queueTriger' is not a known binding type.",
        "'mqttTrigger' is not a known binding type.",
    ]
    assert problems[0].fix == "Did you mean eventHubTrigger?"
    assert problems[1].fix == "Did you mean queueTrigger?"


@pytest.mark.parametrize("kind", sorted(NOT_SERVED))
def test_a_function_with_a_type_that_needs_another_service_is_read_all_the_same(
    tmp_path: Path, make_function: MakeFunction, kind: str
) -> None:
    entry = {
        "type": kind.upper(),
        "name": "x",
        "connection": 5,
        "path": "%NOPE%",
        "queueName": "!",
        "retry": 1,
    }
    make_function("a", entry, *([] if kind.endswith("Trigger") else [MANUAL | {"name": "m"}]))
    found = find(tmp_path)
    (function,) = found.functions
    assert function.unserved == (kind,)
    (problem,) = found.problems
    assert (problem.severity, problem.key, problem.function) == ("warning", "bindings[0].type", "a")
    assert problem.message == f"Not served here: {kind}. Nothing starts it."
    assert "funchost run a --data" in str(problem.fix)
    (binding,) = (each for each in (function.trigger, *function.bindings) if each.type == kind)
    assert binding.fields == {"connection": 5, "path": "%NOPE%", "queueName": "!"}


def test_all_types_that_are_not_served_are_told_at_once_and_in_order(
    tmp_path: Path, make_function: MakeFunction
) -> None:
    make_function(
        "a",
        {"type": "httpTrigger", "name": "req"},
        {"type": "sql", "name": "rows"},
        {"type": "cosmosDB", "name": "doc", "direction": "out"},
        {"type": "SQL", "name": "row", "direction": "out"},
    )
    found = find(tmp_path)
    assert found.functions[0].unserved == ("sql", "cosmosDB")
    (problem,) = found.problems
    assert problem.message == "Not served here: sql, cosmosDB. Its route answers 501."
    assert problem.key == "bindings[1].type"


def test_a_trigger_that_is_not_served_is_told_before_the_rest(
    tmp_path: Path, make_function: MakeFunction
) -> None:
    # As decorators give them: the lowest comes first.
    make_function("a", {"type": "sql", "name": "rows"}, {"type": "cosmosDBTrigger", "name": "docs"})
    found = find(tmp_path)
    assert found.functions[0].unserved == ("cosmosDBTrigger", "sql")
    assert found.problems[0].key == "bindings[1].type"


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        ({"type": "sql", "name": "a-b"}, "bindings[1].name"),
        ({"type": "sql"}, "bindings[1].name"),
        ({"type": "sql", "name": "a", "direction": "inout"}, "bindings[1].direction"),
        ({"type": "kafkaTrigger", "name": "a", "direction": "out"}, "bindings[1].direction"),
    ],
)
def test_name_and_direction_count_also_where_the_type_is_not_served(
    tmp_path: Path, make_function: MakeFunction, entry: dict[str, Any], key: str
) -> None:
    make_function("bad", MANUAL, entry)
    found = find(tmp_path)
    assert found.functions == ()
    assert [problem.key for problem in found.problems if problem.severity == "error"] == [key]


def test_a_third_party_trigger_is_checked_by_its_fields(tmp_path: Path, make_function: MakeFunction) -> None:
    class MqttFields(msgspec.Struct):
        topic: str
        keepAlive: timedelta = timedelta(seconds=1)

    make_function("a", {"type": "mqtttrigger", "name": "x", "topic": "t", "keepalive": "00:00:05"})
    make_function("b", {"type": "mqttTrigger", "name": "x"})
    settings = Settings.load(tmp_path, {})
    found = Finder(
        root=tmp_path,
        settings=settings.app,
        host_json=settings.host_json,
        trigger_fields={**TRIGGER_FIELDS, "mqttTrigger": MqttFields},
    ).find()
    assert [each.trigger.type for each in found.functions] == ["mqttTrigger"]
    assert fields_of(found.functions[0].trigger, MqttFields).keepAlive == timedelta(seconds=5)
    assert told(found) == [("bindings[0].topic", "error", "b")]


@pytest.mark.parametrize(
    ("top", "binding", "key", "fix"),
    [
        ({"scriptFil": "x"}, {}, "scriptFil", "Did you mean scriptFile?"),
        ({"queueName": "x"}, {}, "queueName", "Did you mean bindings[0].queueName?"),
        ({"maxRetryCount": 1}, {}, "maxRetryCount", "Did you mean retry.maxRetryCount or bindings[0].retry"),
        ({"extensions": {"queues": {"batchSize": 1}}}, {}, "extensions", "Remove it"),
        ({}, {"queName": "x"}, "bindings[0].queName", "Did you mean bindings[0].queueName?"),
        ({}, {"schedule": "x"}, "bindings[0].schedule", "Remove it; known here: name, type"),
    ],
)
def test_an_unknown_key_is_a_warning_with_the_nearest_known_one(
    tmp_path: Path,
    make_function: MakeFunction,
    top: dict[str, Any],
    binding: dict[str, Any],
    key: str,
    fix: str,
) -> None:
    make_function("a", {**QUEUE, **binding}, **top)
    found = find(tmp_path)
    assert len(found.functions) == 1
    (problem,) = found.problems
    assert (problem.key, problem.severity) == (key, "warning")
    assert (problem.fix or "").startswith(fix)


def test_settings_are_put_in_wherever_a_binding_or_policy_has_text(
    tmp_path: Path, make_function: MakeFunction
) -> None:
    make_function(
        "a",
        {**QUEUE, "queueName": "%Q%-x", "batchSize": "%N%", "singleton": {"scope": "%Q%"}},
        timeout="%T%",
    )
    found = find(tmp_path, {"Q": "que", "N": "3", "T": "00:00:05"})
    assert found.problems == ()
    (function,) = found.functions
    assert function.trigger.fields["queueName"] == "que-x"
    assert function.policy.queue.batch_size == 3
    assert function.policy.timeout == timedelta(seconds=5)
    assert function.policy.singleton and function.policy.singleton.scope == "que"


def test_a_setting_that_does_not_exist_takes_the_function_out(
    tmp_path: Path, make_function: MakeFunction
) -> None:
    make_function("a", {**QUEUE, "queueName": "%NONE%"})
    found = find(tmp_path)
    assert found.functions == ()
    assert "%NONE%" in found.problems[0].message


@pytest.mark.parametrize(
    ("files", "named", "script"),
    [
        (["main.py"], None, "main.py"),
        (["__init__.py", "sample.dat"], None, "__init__.py"),
        (["run.sh", "Run.py", "__init__.py"], None, "Run.py"),
        (["a.py", "b.py"], "b.py", "b.py"),
        (["sub/x.py"], "sub\\x.py", "sub/x.py"),
        (["../shared/x.py", "__init__.py"], "../shared/x.py", "../shared/x.py"),
    ],
)
def test_the_script_is_found(
    tmp_path: Path, make_function: MakeFunction, files: list[str], named: str | None, script: str
) -> None:
    folder = make_function("a", MANUAL, script="", **({"scriptFile": named} if named else {}))
    for file in files:
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).touch()
    found = find(tmp_path)
    assert found.problems == ()
    assert found.functions[0].script_file == (folder / script).resolve()


@pytest.mark.parametrize(
    ("files", "named", "sentence"),
    [
        ([], None, "no script"),
        (["a.py", "b.py"], None, "name one of a.py, b.py"),
        (["index.js"], None, "not Python"),
        (["a.sh", "__init__.py"], "a.sh", "not Python"),
        (["__init__.py"], "gone.py", "does not exist"),
        (["__init__.py"], "../../out.py", "outside"),
        (["__init__.py"], "/etc/x.py", "outside"),
    ],
)
def test_a_script_that_cannot_be_run_is_told(
    tmp_path: Path, make_function: MakeFunction, files: list[str], named: str | None, sentence: str
) -> None:
    folder = make_function("a", MANUAL, script="", **({"scriptFile": named} if named else {}))
    for file in files:
        (folder / file).touch()
    (problem,) = find(tmp_path).problems
    assert (problem.key, problem.severity) == ("scriptFile", "error")
    assert sentence in problem.message


def test_a_function_name_is_checked() -> None:
    assert all(map(is_function_name, ["a", "Orders", "a-b_9", "hosting", "a" * 128]))
    assert not any(map(is_function_name, ["", "1a", "host", "../x", "a/b", "a b", "é", "a" * 129, "a\n"]))


def test_a_bad_folder_name_is_told(tmp_path: Path, make_function: MakeFunction) -> None:
    make_function("1st", MANUAL)
    found = find(tmp_path)
    assert found.functions == ()
    assert "cannot be the name of a function" in found.problems[0].message


def test_of_two_functions_with_one_name_the_one_in_the_root_runs(
    tmp_path: Path, make_function: MakeFunction
) -> None:
    make_function("Orders", MANUAL)
    make_function("functions/orders", QUEUE)
    found = find(tmp_path)
    assert [each.name for each in found.functions] == ["Orders"]
    (problem,) = found.problems
    assert (problem.file, problem.severity) == ("functions/orders/function.json", "error")
    assert "Orders/function.json" in problem.message


@pytest.mark.parametrize(
    ("said", "environ", "disabled"),
    [
        (True, {}, True),
        (False, {}, False),
        ("true", {}, True),
        ("OFF", {"OFF": "1"}, True),
        ("%OFF%", {"OFF": "true"}, True),
        ("OFF", {}, False),
        (False, {"AzureWebJobs.a.Disabled": "1"}, True),
        (True, {"AzureWebJobs.a.Disabled": "0"}, True),
    ],
)
def test_a_function_is_disabled_by_its_file_or_a_setting_and_still_found(
    tmp_path: Path, make_function: MakeFunction, said: bool | str, environ: dict[str, str], disabled: bool
) -> None:
    make_function("a", MANUAL, disabled=said)
    found = find(tmp_path, environ)
    assert [each.disabled for each in found.functions] == [disabled]


def test_only_the_functions_asked_for_are_read(tmp_path: Path, make_function: MakeFunction) -> None:
    make_function("a", MANUAL)
    make_function("b", MANUAL)
    make_function("bad", text="{")
    assert [each.name for each in find(tmp_path, host={"functions": ["A"]}).functions] == ["a"]
    found = find(tmp_path, only={"B", "bb"})
    assert [each.name for each in found.functions] == ["b"]
    (problem,) = found.problems
    assert (problem.severity, problem.message) == ("warning", "There is no function 'bb'.")


def test_a_missing_root_is_told(tmp_path: Path) -> None:
    found = find(tmp_path / "gone")
    assert (found.functions, found.problems[0].severity) == ((), "error")


def test_a_missing_connection_is_a_warning_and_a_foreign_one_an_error(
    tmp_path: Path, make_function: MakeFunction
) -> None:
    make_function("a", {**QUEUE, "connection": "Nope"})
    make_function("b", {**QUEUE, "connection": "Cloud"})
    found = find(tmp_path, {"Cloud": "AccountName=x"})
    assert [each.name for each in found.functions] == ["a"]
    assert told(found) == [
        ("bindings[0].connection", "warning", "a"),
        ("bindings[0].connection", "error", "b"),
    ]


def test_defaults_of_a_policy_come_from_host_json(tmp_path: Path, make_function: MakeFunction) -> None:
    make_function("a", QUEUE)
    assert policy(tmp_path) == Policy()
    host = {
        "functionTimeout": -1,
        "retry": {"strategy": "fixedDelay", "maxRetryCount": 2, "delayInterval": "00:00:01"},
        "extensions": {"queues": {"batchSize": 5, "maxDequeueCount": 2, "visibilityTimeout": "00:00:03"}},
    }
    found = policy(tmp_path, host)
    assert found.timeout is None
    assert found.retry == RetryPolicy(
        strategy=RetryStrategy.FIXED_DELAY, max_retry_count=2, delay_interval=timedelta(seconds=1)
    )
    assert found.queue == QueuePolicy(
        batch_size=5, new_batch_threshold=2, max_dequeue_count=2, visibility_timeout=timedelta(seconds=3)
    )


def test_development_polls_an_empty_queue_every_two_seconds(
    tmp_path: Path, make_function: MakeFunction
) -> None:
    make_function("a", QUEUE)
    development = {"AZURE_FUNCTIONS_ENVIRONMENT": "development"}
    assert policy(tmp_path, None, development).queue.max_polling_interval == timedelta(seconds=2)
    host = {"extensions": {"queues": {"maxPollingInterval": "00:00:09"}}}
    assert policy(tmp_path, host, development).queue.max_polling_interval == timedelta(seconds=9)


@pytest.mark.parametrize("where", ["top", "trigger"])
def test_a_policy_stands_at_the_top_or_on_the_trigger(
    tmp_path: Path, make_function: MakeFunction, where: str
) -> None:
    said: dict[str, Any] = {
        "retry": {"maxRetryCount": -1, "minimumInterval": "00:00:01", "maximumInterval": "00:00:09"},
        "singleton": {"mode": "Function", "scope": "{customerId}", "lockAcquisitionTimeout": "00:00:05"},
        "timeout": "00:01:00",
        "concurrency": 3,
        "batchSize": 7,
        "maxDequeueCount": 4,
        "visibilityTimeout": "00:00:02",
        "maxPollingInterval": 250,
        "poisonQueueName": "Given-Up",
    }
    make_function("a", {**QUEUE, **(said if where == "trigger" else {})}, **(said if where == "top" else {}))
    host = {"retry": {"strategy": "fixedDelay", "maxRetryCount": 2, "delayInterval": "0"}}
    assert policy(tmp_path, host) == Policy(
        retry=RetryPolicy(
            strategy=RetryStrategy.EXPONENTIAL_BACKOFF,
            max_retry_count=-1,
            minimum_interval=timedelta(seconds=1),
            maximum_interval=timedelta(seconds=9),
        ),
        singleton=SingletonPolicy(scope="{customerId}", acquisition_timeout=timedelta(seconds=5)),
        timeout=timedelta(minutes=1),
        concurrency=3,
        queue=QueuePolicy(
            batch_size=7,
            new_batch_threshold=3,
            max_dequeue_count=4,
            visibility_timeout=timedelta(seconds=2),
            max_polling_interval=timedelta(milliseconds=250),
            poison_queue="given-up",
        ),
    )


@pytest.mark.parametrize(
    ("singleton", "expected"),
    [
        (True, SingletonPolicy(acquisition_timeout=timedelta(seconds=8))),
        (False, None),
        ({"lockAcquisitionTimeout": -1}, SingletonPolicy()),
        (
            {"mode": "listener"},
            SingletonPolicy(mode=SingletonMode.LISTENER, acquisition_timeout=timedelta(seconds=8)),
        ),
    ],
)
def test_a_singleton_takes_its_defaults_from_host_json(
    tmp_path: Path, make_function: MakeFunction, singleton: Any, expected: SingletonPolicy | None
) -> None:
    make_function("a", QUEUE, singleton=singleton)
    assert policy(tmp_path, {"singleton": {"lockAcquisitionTimeout": "00:00:08"}}).singleton == expected


def test_a_timeout_of_minus_one_is_none_at_all(tmp_path: Path, make_function: MakeFunction) -> None:
    make_function("a", {**QUEUE, "timeout": -1})
    assert policy(tmp_path).timeout is None


def test_blob_and_file_functions_follow_the_blobs_of_host_json(
    tmp_path: Path, make_function: MakeFunction
) -> None:
    make_function("a", {"type": "blobTrigger", "name": "x", "path": "cont/{n}"})
    host = {"extensions": {"blobs": {"maxDegreeOfParallelism": 10, "poisonBlobThreshold": 3}}}
    assert policy(tmp_path, host).queue == QueuePolicy(
        batch_size=6, new_batch_threshold=4, max_dequeue_count=3
    )


@pytest.mark.parametrize(
    ("top", "binding", "key", "sentence"),
    [
        ({"timeout": "00:00:01"}, {"timeout": "00:00:02"}, "timeout", "different values"),
        ({"retry": {"strategy": "fixedDelay", "maxRetryCount": 1}}, {}, "retry.delayInterval", "needs"),
        ({}, {"retry": {"maxRetryCount": 1}}, "bindings[0].retry.minimumInterval", "needs"),
        ({"retry": {"strategy": "fixed", "maxRetryCount": 1}}, {}, "retry.strategy", "not one of"),
        ({"retry": 3}, {}, "retry", "an object"),
        ({"singleton": {"scope": "{a"}}, {}, "singleton.scope", "single"),
        ({"singleton": {"scope": "{a}", "mode": "listener"}}, {}, "singleton.scope", "cannot depend"),
        ({"singleton": "yes"}, {}, "singleton", "true or false or an object"),
        ({"timeout": 30}, {}, "timeout", "duration in quotes"),
        ({"timeout": "00:00:00"}, {}, "timeout", "out of range"),
        ({"concurrency": 0}, {}, "concurrency", "out of range"),
        ({"poisonQueueName": "_"}, {}, "poisonQueueName", "not a queue name"),
        ({"configurationSource": "attributes"}, {}, "configurationSource", "compiled"),
    ],
)
def test_a_bad_policy_takes_the_function_out(
    tmp_path: Path,
    make_function: MakeFunction,
    top: dict[str, Any],
    binding: dict[str, Any],
    key: str,
    sentence: str,
) -> None:
    make_function("a", {**QUEUE, **binding}, **top)
    found = find(tmp_path)
    assert found.functions == ()
    (problem,) = found.problems
    assert (problem.key, problem.severity) == (key, "error")
    assert sentence in problem.message


def test_a_policy_in_both_places_with_one_value_is_fine(tmp_path: Path, make_function: MakeFunction) -> None:
    make_function("a", {**QUEUE, "timeout": "0:01"}, timeout="00:01:00")
    assert policy(tmp_path).timeout == timedelta(minutes=1)


def test_queue_settings_on_another_trigger_are_told(tmp_path: Path, make_function: MakeFunction) -> None:
    make_function("a", MANUAL, batchSize=3)
    found = find(tmp_path)
    assert len(found.functions) == 1
    assert told(found) == [("batchSize", "warning", "a")]


KEYS = [*FunctionJson.__struct_fields__, "BINDINGS", "x", "$schema"]
BINDING_KEYS = sorted(
    {key for model in TRIGGER_FIELDS.values() for key in model.__struct_fields__} | {"path"}
)
WORDS = st.sampled_from(
    ["", "-1", "1", "00:00:01", "{a}", "{a", "%X%", "%", "cont/{a}", "orders", "out", "../x", "main"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS | st.text(max_size=3)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["mode", "scope", "strategy", "maxRetryCount", "delayInterval"]), inner
        )
    ),
    max_leaves=5,
)
TYPES = st.sampled_from([*TRIGGER_FIELDS, "queue", "blob", "http", "table", "qeue"])
BINDINGS = st.builds(
    lambda kind, name, direction, rest: {"type": kind, "name": name, "direction": direction, **rest},
    TYPES | SCALARS,
    st.sampled_from(["a", "b", "$return"]) | SCALARS,
    st.sampled_from(["in", "out"]) | SCALARS,
    st.dictionaries(st.sampled_from(BINDING_KEYS), VALUES, max_size=4),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4), st.lists(BINDINGS | VALUES, max_size=3))
def test_whatever_a_function_json_holds_it_is_read_or_told(
    tmp_path: Path, top: dict[str, Any], bindings: list[Any]
) -> None:
    (tmp_path / "a").mkdir(exist_ok=True)
    (tmp_path / "a" / "__init__.py").touch()
    (tmp_path / "a" / "function.json").write_text(json.dumps({**top, "bindings": bindings}))
    found = find(tmp_path)
    for function in found.functions:
        assert fields_of(function.trigger, TRIGGER_FIELDS[function.trigger.type])
    assert len(found.functions) == (not any(each.severity == "error" for each in found.problems))


def test_a_fingerprint_changes_with_what_a_listener_is_made_of(
    tmp_path: Path, make_function: MakeFunction
) -> None:
    folder = make_function("a", {**QUEUE, "queueName": "%Q%"})

    def fingerprint(**environ: str) -> str:
        return find(tmp_path, environ).functions[0].fingerprint

    first = fingerprint(Q="one")
    assert fingerprint(Q="one", OTHER="x") == first
    assert fingerprint(Q="two") != first
    assert fingerprint(Q="one", AzureWebJobs_a_Disabled="1") != first
    (folder / "function.json").write_text(
        json.dumps({"bindings": [{**QUEUE, "queueName": "one", "batchSize": 1}]})
    )
    assert fingerprint() != first


def test_a_blob_input_elsewhere_is_its_functions_own_matter(
    tmp_path: Path, make_function: MakeFunction
) -> None:
    blob = {"type": "blob", "direction": "in", "name": "file", "path": "photos/a", "connection": "Photos"}
    make_function("read", MANUAL, blob)
    make_function("write", MANUAL, {**blob, "direction": "out"})
    found = find(tmp_path, {"Photos": "AccountName=ada;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1/ada"})
    assert [(one.name, one.bindings[0].storage) for one in found.functions] == [("read", "azure")]
    assert [problem.function for problem in found.problems] == ["write"]


@pytest.mark.parametrize(
    "binding",
    [
        {"type": "blob", "direction": "inout", "name": "file", "path": "photos/a"},
        {"type": "http", "direction": "in", "name": "$return"},
        {"type": "queue", "direction": "in", "name": "$return", "queueName": "orders"},
    ],
)
def test_directions_that_python_does_not_have_are_left_to_the_worker(
    tmp_path: Path, make_function: MakeFunction, binding: dict[str, str]
) -> None:
    make_function("read", MANUAL, binding)
    [function] = find(tmp_path).functions
    assert function.bindings[0].direction == binding["direction"]


def indexed(root: Path, file: Path, line: int = 7, **fields: Any) -> Discovery:
    """An app in the v2 model with one function, `tick`, whose code is in that file."""
    (root / "function_app.py").touch()
    loaded = Settings.load(root, {})
    finder = Finder(root=root, settings=loaded.app, host_json=loaded.host_json)
    timer = {"type": "timerTrigger", "name": "t", "direction": "in", "schedule": "0 0 * * * *", **fields}
    return finder.indexed(
        finder.find(), [Indexed("tick", str(root), str(file), line, "tick", {"bindings": [timer]})]
    )


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("function_app.py", ("function_app.py", 7)),
        ("parts/more.py", ("parts/more.py", 7)),
        ("../durable/decorators.py", ("function_app.py", None)),
        (".venv/lib/site-packages/durable/decorators.py", ("function_app.py", None)),
    ],
)
def test_problems_of_a_decorated_function_are_placed_where_its_author_wrote_it(
    tmp_path: Path, file: str, place: tuple[str, int | None]
) -> None:
    path = (tmp_path / file).resolve()
    (problem,) = indexed(tmp_path, path, timeout="soon").problems
    assert (problem.file, problem.line, problem.key) == (*place, "tick.t.timeout")

    (function,) = indexed(tmp_path, path).functions
    refused = function.problem("schedule", "No.")
    assert (refused.file, refused.line, refused.key) == (*place, "tick.t.schedule")
    assert function.problem(None, "No.").key == "tick"


def test_a_decorated_function_that_only_moved_is_the_same(tmp_path: Path) -> None:
    script = tmp_path / "function_app.py"
    (before,), (after,) = (indexed(tmp_path, script, line).functions for line in (7, 9))

    assert (before.line, after.line) == (7, 9)
    assert before == after and before.fingerprint == after.fingerprint


def test_a_refused_trigger_of_a_folder_is_placed_in_its_function_json(
    tmp_path: Path, make_function: MakeFunction
) -> None:
    make_function("a", MANUAL)
    (function,) = find(tmp_path).functions
    refused = function.problem("y", "No.")

    assert (refused.file, refused.line, refused.key) == ("a/function.json", 3, "bindings.x.y")
