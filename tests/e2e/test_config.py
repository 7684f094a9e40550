"""`funchost config` as it is run at a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from e2e.apps import App, queue_trigger
from e2e.running import funchost

pytestmark = pytest.mark.e2e

V2 = """
import azure.functions as func

app = func.FunctionApp()


@app.queue_trigger(arg_name="msg", queue_name="%QUEUE%", connection="Orders")
@app.retry(strategy="fixed_delay", max_retry_count="3", delay_interval="00:00:01")
def one(msg: func.QueueMessage):
    raise RuntimeError("is not run")
"""


@pytest.fixture
def app(tmp_path: Path) -> App:
    made = App(tmp_path / "app", functionTimeout="00:05:00")
    values = {"ApiKey": "hunter2hunter2", "QUEUE": "jobs"}
    made.write("local.settings.json", json.dumps({"Values": values}, indent=1))
    made.add("f", "def main(job):\n    pass\n", queue_trigger("%QUEUE%", batchSize=4))
    return made


def config(app: App, *arguments: str, **env: str) -> tuple[int, dict[str, Any]]:
    done = funchost("config", "--json", "--root", app.root, *arguments, env=env)
    assert done.stderr == b"", done.stderr
    return done.returncode, json.loads(done.stdout)


def origins(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(value["section"], value["key"]): value["origin"] for value in document["values"]}


def test_what_was_said_is_shown_with_its_place(app: App) -> None:
    code, document = config(app)
    assert code == 0
    found = origins(document)
    assert found["host.json", "functionTimeout"]["file"] == "host.json"
    assert found["settings", "QUEUE"]["line"] == 4
    assert found["function f", "batchSize"]["key"] == "bindings[0].batchSize"
    assert ("start", "port") not in found


def test_effective_adds_the_defaults(app: App) -> None:
    _, document = config(app, "--effective", "--address", "0.0.0.0")
    found = origins(document)
    assert found["start", "port"]["kind"] == "default"
    assert found["start", "address"] == {
        "kind": "command line",
        "file": None,
        "line": None,
        "key": None,
        "name": "--address",
        "over": None,
    }
    assert found["function f", "timeout"]["file"] == "host.json"


def test_no_store_is_made(app: App) -> None:
    config(app, "--effective")
    assert not app.store.exists()


def test_secrets_are_shown_only_when_that_is_asked_for(app: App) -> None:
    for arguments, expected in (((), False), (("--show-secrets",), True)):
        for form in ((), ("--json",)):
            done = funchost("config", "--root", app.root, *arguments, *form)
            assert (b"hunter2" in done.stdout) is expected, done.stdout


def test_functions_of_decorators_have_the_line_of_their_def(tmp_path: Path) -> None:
    app = App(tmp_path / "app")
    app.write("function_app.py", V2)
    code, document = config(app, QUEUE="jobs", Orders="UseDevelopmentStorage=true")
    assert code == 0, document["problems"]
    found = origins(document)
    assert found["function one", "retry"]["file"] == "function_app.py"
    assert found["function one", "retry"]["line"] == 9
    assert found["settings", "QUEUE"]["name"] == "QUEUE"
    assert found["settings", "Orders"]["kind"] == "environment"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("host.json", "{"),
        ("local.settings.json", '{"IsEncrypted": true, "Values": {}}'),
        ("f/function.json", '{"bindings": [{"type": "queueTriger", "name": "job"}]}'),
    ],
)
def test_what_is_wrong_is_told_and_ends_with_3(app: App, file: str, content: str) -> None:
    app.write(file, content)
    code, document = config(app)
    assert code == 3
    assert any(problem["file"] == file for problem in document["problems"])
    done = funchost("config", "--root", app.root)
    assert done.returncode == 3
    assert file.encode() in done.stderr


def test_a_script_that_cannot_be_imported_is_told(tmp_path: Path) -> None:
    app = App(tmp_path / "app")
    app.write("function_app.py", "def (\n")
    code, document = config(app)
    assert code == 3
    assert document["problems"][0]["file"] == "function_app.py"


def test_a_warning_alone_is_no_failure(app: App) -> None:
    app.write("host.json", '{"version": "2.0", "functionTimout": "00:05:00"}')
    code, document = config(app)
    assert code == 0
    assert document["problems"][0]["fix"] == "Did you mean functionTimeout?"


def test_tables_have_a_heading_for_each_part(app: App) -> None:
    done = funchost("config", "--root", app.root)
    assert done.returncode == 0, done.stderr
    headings = [line.split("  ")[0] for line in done.stdout.decode().splitlines() if line.endswith("FROM")]
    assert headings == ["SETTINGS", "HOST.JSON", "function f"]


def test_bad_options_are_usage_errors(app: App) -> None:
    assert funchost("config", "--root", app.root, "--port", "x").returncode == 2
    assert funchost("config", "--root", app.root / "nowhere").returncode == 3
