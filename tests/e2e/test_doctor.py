"""`funchost doctor` on apps that are broken in many ways, and beside hosts that run, hang and have died."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e.apps import App, http_trigger, queue_trigger
from e2e.emulated import running_emulator
from e2e.running import COMMAND, DEADLINE, RunningHost, funchost

pytestmark = pytest.mark.e2e

NOTHING = "def main(job):\n    pass\n"

V2 = """
import azure.functions as func

app = func.FunctionApp()


@app.queue_trigger(arg_name="msg", queue_name="%NOWHERE%", connection="Missing")
def one(msg: func.QueueMessage):
    pass


@app.route(route="two")
def two(req: func.HttpRequest) -> str:
    return "x"


@app.timer_trigger(schedule="0 0 3 * * *", arg_name="t")
def three(other) -> None:
    pass
"""


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path / "app")


def doctor(app: App, *arguments: str | Path, **env: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """Exit code, and what was found by the name of the check."""
    done = funchost("doctor", "--json", "--port", "0", "--root", app.root, *arguments, env=env)
    assert done.stderr == b"", done.stderr
    document = json.loads(done.stdout)
    found: dict[str, list[dict[str, Any]]] = {}
    for check in document["checks"]:
        found.setdefault(check["name"], []).append(check)
    assert (document["outcome"] == "problem") == (done.returncode == 3)
    return done.returncode, found


def problems(checks: list[dict[str, Any]]) -> list[str]:
    return [check["found"] for check in checks if check["outcome"] == "problem"]


def test_an_app_that_is_well_ends_with_0(app: App) -> None:
    app.add("hello", NOTHING.replace("job", "req"), http_trigger())
    app.write("requirements.txt", "azure-functions\n")
    code, found = doctor(app)
    assert code == 0, found
    assert {check["outcome"] for checks in found.values() for check in checks} <= {"ok", "skipped", "warning"}
    assert list(found)[:3] == ["configuration", "interpreter", "packages"]
    assert len(found) == 14


def test_nothing_of_the_app_is_changed_and_no_store_is_made(app: App) -> None:
    app.add("hello", NOTHING, queue_trigger())
    before = sorted(path for path in app.root.rglob("*") if "__pycache__" not in path.parts)
    doctor(app)
    assert sorted(path for path in app.root.rglob("*") if "__pycache__" not in path.parts) == before


@pytest.mark.parametrize(
    ("code", "told", "line"),
    [
        ("import no_such_module\n" + NOTHING, "no_such_module", 1),
        ("import os\n\nraise RuntimeError('no way')\n", "no way", 3),
        ("def main(job:\n", "SyntaxError", 1),
        ("def main(other): pass\n", "'other' has no binding", None),
        ("import os\nos._exit(3)\n", "exited with code 3", None),
        ("def other(job): pass\n", "no entry point 'main'", None),
    ],
)
def test_code_that_does_not_load_is_told_with_its_place(
    app: App, code: str, told: str, line: int | None
) -> None:
    app.add("good", NOTHING, {"type": "manualTrigger", "name": "job"})
    app.add("bad", code, {"type": "manualTrigger", "name": "job"})
    exit_code, found = doctor(app)
    by_function = {check["function"]: check for check in found["functions"]}
    assert exit_code == 3
    assert by_function["good"]["outcome"] == "ok"
    assert told in by_function["bad"]["found"]
    assert by_function["bad"]["line"] == line or line is None


def test_functions_of_decorators_are_told_with_their_lines(app: App) -> None:
    app.write("function_app.py", V2)
    code, found = doctor(app)
    assert code == 3
    by_function = {check["function"]: check for check in found["functions"]}
    assert [by_function[name]["outcome"] for name in ("one", "two", "three")] == ["problem", "ok", "problem"]
    named = [(check["file"], check["key"], check["outcome"]) for check in found["settings"]]
    assert named == [
        ("function_app.py", "one.msg.queueName", "problem"),
        ("function_app.py", "one.msg.connection", "warning"),
    ]


@pytest.mark.parametrize("text", ["raise RuntimeError('no way')\n", "def (\n", "import no_such_module\n"])
def test_a_script_that_cannot_be_imported_is_told(app: App, text: str) -> None:
    app.write("function_app.py", f"{V2}\n{text}")
    code, found = doctor(app)
    assert code == 3
    [told] = found["functions"]
    assert (told["file"], told["outcome"]) == ("function_app.py", "problem")
    assert found["settings"][0]["outcome"] == "skipped"


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 3}', ""])
def test_a_broken_host_json_is_told(app: App, content: str) -> None:
    app.write("host.json", content)
    code, found = doctor(app)
    assert code == 3
    assert found["configuration"][0]["file"] == "host.json"


def test_an_interpreter_that_does_not_work_is_told_and_nothing_hangs(app: App) -> None:
    app.add("hello", NOTHING, queue_trigger())
    app.write("python", "#!/bin/sh\nexit 3\n")
    (app.root / "python").chmod(0o755)
    code, found = doctor(app, "--python", app.root / "python")
    assert code == 3
    assert problems(found["interpreter"])
    assert found["packages"][0]["outcome"] == "skipped"
    assert problems(found["functions"])


def test_an_endpoint_that_refuses_is_told(app: App) -> None:
    app.write(
        "local.settings.json",
        json.dumps(
            {
                "Values": {
                    "Cloud__provider": "aws",
                    "Cloud__region": "eu-west-1",
                    "Cloud__endpointUrl": "http://127.0.0.1:9",
                    "Cloud__emulated": "true",
                }
            }
        ),
    )
    app.add("f", NOTHING, queue_trigger(connection="Cloud"))
    code, found = doctor(app)
    assert code == 3
    [told] = problems(found["connections"])
    assert "nothing takes connections at 127.0.0.1:9" in told


def test_an_endpoint_that_says_nothing_is_not_waited_for(app: App) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        values = {"Cloud__provider": "aws", "Cloud__region": "eu-west-1", "Cloud__endpointUrl": url}
        app.write("local.settings.json", json.dumps({"Values": {**values, "Cloud__emulated": "true"}}))
        app.add("f", NOTHING, queue_trigger(connection="Cloud"))
        code, found = doctor(app)
    assert code == 3
    assert "does not answer within" in problems(found["connections"])[0]


def test_queues_and_buckets_are_asked_for_and_what_is_missing_is_told(app: App) -> None:
    with running_emulator() as aws:
        aws.sqs.create_queue(QueueName="there")
        aws.s3.create_bucket(Bucket="hosts")
        cloud = {"provider": "aws", "region": "us-east-1", "endpointUrl": aws.url, "emulated": "true"}
        values = {f"Cloud__{key}": text for key, text in cloud.items()}
        values |= {f"AzureWebJobsStorage__{key}": text for key, text in {**cloud, "bucket": "hosts"}.items()}
        app.write("local.settings.json", json.dumps({"Values": values}))
        output = {"type": "queue", "direction": "out", "name": "$return", "queueName": "missing"}
        blob = {"type": "blob", "direction": "out", "name": "o", "path": "nowhere/{rand-guid}"}
        code = "import azure.functions as func\n\n\ndef main(job, o: func.Out[str]):\n    return 'x'\n"
        bindings = [{**each, "connection": "Cloud"} for each in (queue_trigger("there"), output, blob)]
        app.add("f", code, *bindings)
        exit_code, found = doctor(app)
    assert exit_code == 3
    told = [(check["found"].partition(": ")[2], check["outcome"]) for check in found["connections"]]
    assert told == [
        ("what hosts share can be kept.", "ok"),
        ("queue there answers.", "ok"),
        ("queue missing does not exist.", "problem"),
        ("container nowhere does not exist.", "problem"),
    ]
    assert found["connections"][2]["fix"] == "Make it, or set Cloud__createQueues to true."


def test_a_store_that_is_damaged_is_told(app: App) -> None:
    app.send("jobs", *("word " * 1000 for _ in range(20)))
    path = app.store / "store.db"
    path.write_bytes(b"\xff" * path.stat().st_size)
    code, found = doctor(app)
    assert code == 3
    assert problems(found["store"])
    assert found["messages"][0]["outcome"] == "skipped"


def test_messages_that_were_given_up_are_a_warning_only(app: App) -> None:
    app.add("f", NOTHING, queue_trigger("jobs"))
    app.send("jobs-poison", "bad")
    code, found = doctor(app)
    assert code == 0, found
    assert found["messages"][0]["outcome"] == "warning"


def test_variables_for_tests_are_told(app: App) -> None:
    code, found = doctor(app, FUNCHOST_TEST_FAULTS="plan.json")
    assert code == 0, found
    assert "FUNCHOST_TEST_FAULTS is set" in found["test variables"][0]["found"]


def test_events_of_files_are_tried_and_nothing_stays_behind(app: App) -> None:
    _, found = doctor(app)
    assert found["file events"][0]["outcome"] == "ok"
    assert not list(app.root.glob(".funchost-doctor-*"))


def test_a_root_that_is_no_folder_is_told(tmp_path: Path) -> None:
    done = funchost("doctor", "--root", tmp_path / "nowhere")
    assert done.returncode == 3
    assert b"is not a folder" in done.stderr


# -- one host, looked at while it runs, while it hangs, and after it was killed


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> App:
    made = App(tmp_path_factory.mktemp("served"))
    made.add("f", NOTHING, queue_trigger("jobs"))
    return made


@pytest.fixture(scope="module")
def host(served: App) -> Iterator[RunningHost]:
    host = RunningHost(served.root).start()
    yield host
    host.kill()


def port(host: RunningHost) -> str:
    return host.url.rpartition(":")[2]


def test_the_port_of_its_own_host_is_known_and_the_host_answers(served: App, host: RunningHost) -> None:
    code, found = doctor(served, "--port", port(host))
    assert code == 0, found
    assert f"process {host.pid}" in found["port"][0]["found"], found["port"]
    assert "answers" in found["hosts"][0]["found"]


def test_another_app_is_told_that_another_host_has_the_port(host: RunningHost, tmp_path: Path) -> None:
    code, found = doctor(App(tmp_path / "other"), "--port", port(host))
    assert code == 3
    assert "another funchost" in problems(found["port"])[0]


def test_a_host_that_hangs_is_told(served: App, host: RunningHost) -> None:
    host.signal(signal.SIGSTOP)
    try:
        code, found = doctor(served)
    finally:
        host.signal(signal.SIGCONT)
    assert code == 3
    assert "does not answer" in problems(found["hosts"])[0]


def test_what_a_host_leaves_when_it_is_killed_is_told(served: App) -> None:
    with RunningHost(served.root, "--store", served.root / "other") as other:
        pid = other.pid
        other.kill()
        code, found = doctor(served, "--store", served.root / "other")
    assert code == 0, found
    assert f"A host (process {pid}) died" in found["messages"][0]["found"]
    assert found["hosts"][0]["found"] == "None runs on this store."


def test_a_port_that_somebody_else_has_is_told(app: App) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        code, found = doctor(app, "--port", str(server.getsockname()[1]))
    assert code == 3
    assert f"(process {os.getpid()})" in problems(found["port"])[0]


@pytest.mark.parametrize("columns", [80, 160])
def test_a_terminal_gets_signs_and_lines_that_fit(app: App, columns: int) -> None:
    import fcntl
    import pty
    import struct
    import termios

    app.add("f", NOTHING, queue_trigger("%NOWHERE%"))
    terminal, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    said: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(terminal, 4096):
                said.append(chunk)
        except OSError:
            pass  # the other end is closed

    reader = threading.Thread(target=read)
    reader.start()
    environ = {**os.environ, "NO_COLOR": "1", "TERM": "xterm", "LANG": "C.UTF-8"}
    environ.pop("COLUMNS", None)
    command = [COMMAND, "doctor", "--port", "0", "--root", str(app.root)]
    done = subprocess.run(command, stdout=inner, stderr=inner, env=environ, timeout=DEADLINE, check=False)
    os.close(inner)
    reader.join(DEADLINE)
    os.close(terminal)
    lines = b"".join(said).decode().splitlines()
    assert done.returncode == 3
    assert any(line.startswith("✗  functions") for line in lines) or any("✗" in line for line in lines)
    assert all(len(line) <= columns + len("\x1b[31m\x1b[0m") for line in lines)


def test_plain_letters_are_printed_where_signs_cannot_be(app: App) -> None:
    app.add("f", NOTHING, queue_trigger("%NOWHERE%"))
    done = funchost(
        "doctor", "--port", "0", "--root", app.root, env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    )
    assert done.returncode == 3
    assert b"X  functions" in done.stdout
    assert b"problem" in done.stdout.splitlines()[-1]
