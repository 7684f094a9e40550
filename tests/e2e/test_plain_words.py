"""What the commands say when something is wrong or unusual: the reason, once, with the exit code that fits."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from e2e.apps import App, http_trigger, until
from e2e.running import COMMAND, DEADLINE, RunningHost, funchost

pytestmark = pytest.mark.e2e

FINE = "def main(req: str) -> str:\n    return 'fine'\n"

#: Scripts that define no functions since they cannot be read, each with what must be said of it.
BROKEN = {
    "syntax error": ("import azure.functions as func\napp = func.FunctionApp(\n", "SyntaxError"),
    "missing package": ("import no_such_package\n", "no_such_package"),
    "no app": ("import azure.functions as func\n", "FunctionApp"),
}


def said(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode()


def check_reason(done: subprocess.CompletedProcess[bytes], reason: str) -> None:
    """The reason is told, as what the app is wrong with, and nothing that only follows from it."""
    assert done.returncode == 3, said(done)
    assert reason in said(done)
    assert not re.search("No functions yet|There is no function|No timers", said(done))


# -- an app that cannot be read


@pytest.mark.parametrize("case", BROKEN)
def test_the_list_of_an_app_that_cannot_be_read_tells_why(tmp_path: Path, case: str) -> None:
    script, reason = BROKEN[case]
    App(tmp_path).write("function_app.py", script)
    check_reason(funchost("list", "--root", tmp_path), reason)


@pytest.mark.parametrize(
    "command", [["list", "--json"], ["run", "X"], ["timers"], ["keys", "list", "--function", "X"]]
)
def test_other_commands_tell_it_as_well(tmp_path: Path, command: list[str]) -> None:
    script, reason = BROKEN["syntax error"]
    App(tmp_path, oops=1).write("function_app.py", script)
    check_reason(funchost(*command, "--root", tmp_path), reason)


def test_beside_a_running_host_the_reason_is_told_too(tmp_path: Path) -> None:
    script, reason = BROKEN["syntax error"]
    App(tmp_path).write("function_app.py", script)
    with RunningHost(tmp_path) as host:
        for command in (["list"], ["list", "--json"], ["run", "X"], ["timers"]):
            check_reason(funchost(*command, "--root", tmp_path), reason)
        assert reason in host.log
        assert "No functions yet" not in host.log


def test_a_run_shows_what_is_wrong_with_that_function_and_nothing_else(tmp_path: Path) -> None:
    app = App(tmp_path, oops=1)
    for name in ("one", "two"):
        app.add(name, FINE, {"type": "timerTrigger", "name": "req", "schedule": f"never-{name}"})
    done = funchost("run", "ONE", "--root", tmp_path)
    assert done.returncode == 3
    assert "never-one" in said(done)
    assert "never-two" not in said(done)
    assert "oops" not in said(done)


def test_timers_shows_problems_of_timers_only(tmp_path: Path) -> None:
    app = App(tmp_path, oops=1)
    app.add("tick", FINE, {"type": "timerTrigger", "name": "req", "schedule": "never"})
    app.add("other", FINE, {"type": "queueTrigger", "name": "req", "queueName": "Bad Name"})
    done = funchost("timers", "--root", tmp_path)
    assert done.returncode == 3
    assert "never" in said(done)
    assert not re.search("oops|Bad Name|No timers", said(done))


# -- starts that fail


@pytest.mark.parametrize(("extra", "count"), [({}, "1 problem,"), ({"oops": 1, "more": 2}, "3 problems,")])
def test_strict_counts_all_problems_that_were_shown(
    tmp_path: Path, extra: dict[str, int], count: str
) -> None:
    App(tmp_path, **extra).write("function_app.py", BROKEN["syntax error"][0])
    done = funchost("start", "--strict", "--root", tmp_path, "--port", "0")
    assert done.returncode == 3
    assert said(done).splitlines()[-1] == f"Error: {count} and --strict asks for none."


def test_a_start_that_fails_says_only_why(tmp_path: Path) -> None:
    app = App(tmp_path / "app")
    app.add("fine", FINE, http_trigger("fine"))
    with RunningHost(app.root) as host:
        port = host.url.rpartition(":")[2]
        taken = funchost("start", "--root", app.root, "--store", tmp_path / "other", "--port", port)
    no_python = funchost("start", "--root", app.root, "--port", "0", "--python", tmp_path / "gone")
    assert (taken.returncode, no_python.returncode) == (4, 3)
    for done in (taken, no_python):
        (line,) = said(done).splitlines()
        assert line.startswith("Error: ")


def test_what_does_not_start_as_an_interpreter_is_a_matter_of_configuration(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("fine", FINE, http_trigger("fine"))
    done = funchost("start", "--root", app.root, "--port", "0", "--python", "/bin/false")
    assert done.returncode == 3
    assert "/bin/false did not start" in said(done)
    assert "given back" not in said(done)


# -- what start shows


def test_a_broken_environment_is_told_with_its_path(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("fine", FINE, http_trigger("fine"))
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(tmp_path / "gone")
    with RunningHost(app.root) as host:
        assert f"warning: {python} leads to {tmp_path / 'gone'}, which is not there" in host.log


def test_a_folder_that_is_no_app_is_told_and_served_all_the_same(tmp_path: Path) -> None:
    with RunningHost(tmp_path) as host:
        assert f"{tmp_path} does not look like an app's folder" in host.log
        assert "funchost init" in host.log
        assert "No functions yet" not in host.log


def test_looking_makes_no_store(tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text(
        "import azure.functions as func\napp = func.FunctionApp()\n\n\n"
        '@app.timer_trigger(arg_name="t", schedule="0 0 * * * *")\ndef tick(t): ...\n'
    )
    for command in (["list"], ["timers"], ["queues", "list"]):
        assert funchost(*command, "--root", tmp_path).returncode == 0
    assert {path.name for path in tmp_path.iterdir()} <= {"function_app.py", "__pycache__"}


def test_a_function_in_error_keeps_its_trigger_and_its_reason_stands_once(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("late", FINE, {"type": "TIMERTRIGGER", "name": "req", "schedule": "never"})
    app.add("lost", FINE, {"type": "queueTrigger", "name": "req"})
    app.write("odd/function.json", "{")
    with RunningHost(app.root) as host:
        problems, _, table = host.log.partition("FUNCTION ")
        listed = funchost("list", "--root", tmp_path).stdout.decode()
    rows = {line.split()[0]: line.split()[1:] for line in table.splitlines() if line.endswith("in error")}
    assert rows == {
        "late": ["timer", "in", "error"],
        "lost": ["queue", "in", "error"],
        "odd": ["?", "in", "error"],
    }
    assert "never" in problems
    assert re.search(r"^late +timer +in error: 'never'", listed, re.MULTILINE)


def test_decorators_with_a_bad_field_keep_their_trigger(tmp_path: Path) -> None:
    App(tmp_path).write(
        "function_app.py",
        """
        import azure.functions as func
        app = func.FunctionApp()

        @app.queue_trigger(arg_name="m", queue_name="Not A Queue", connection="AzureWebJobsStorage")
        def work(m: func.QueueMessage): ...
        """,
    )
    (row,) = json.loads(funchost("list", "--json", "--root", tmp_path).stdout)
    assert (row["trigger"], row["state"]) == ("queueTrigger", "in error")


def test_a_host_for_other_machines_says_so_and_how_to_see_the_keys(tmp_path: Path) -> None:
    App(tmp_path).add("fine", FINE, http_trigger("fine"))
    with RunningHost(tmp_path, "--address", "0.0.0.0") as host:
        host.wait_for("Ctrl+C stops.")
    assert "every address of this machine (0.0.0.0)" in host.log
    assert "`funchost keys list` shows the keys" in host.log


def test_start_says_which_interpreter_runs_the_app_where_it_is_not_the_hosts(tmp_path: Path) -> None:
    App(tmp_path).add("fine", FINE, http_trigger("fine"))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True)
    with RunningHost(tmp_path) as host:
        host.wait_for("Ctrl+C stops.")
    assert f"The app runs under Python {platform.python_version()} from .venv." in host.log


def test_a_reload_tells_of_new_functions_and_changed_routes(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("one", FINE, http_trigger("one"))
    with RunningHost(tmp_path) as host:
        app.add("two", FINE, http_trigger("two"))
        host.wait_for(f"Reloaded: 2 functions, new: two {host.url}/api/two\n")
        app.write("one/function.json", json.dumps({"bindings": [http_trigger("uno")]}))
        host.wait_for(f"Reloaded: 2 functions, changed: one {host.url}/api/uno\n")


def test_what_cannot_be_reloaded_is_not_called_reloaded(tmp_path: Path) -> None:
    app = App(tmp_path)
    script = (
        "import azure.functions as func\napp = func.FunctionApp()\n\n\n"
        '@app.route("hi")\ndef hi(req: func.HttpRequest) -> str:\n    return "hi"\n'
    )
    app.write("function_app.py", script)
    with RunningHost(tmp_path) as host:
        app.write("function_app.py", f"{script}\nthis is no Python\n")
        host.wait_for("The last good version goes on for: hi.")
        app.write("function_app.py", f"{script}\nthis is still no Python\n")
        host.wait_for("Nothing could be reloaded")
        app.write("function_app.py", f"{script}\nmended = True\n")
        host.wait_for("Reloaded: 1 function\n")
        assert host.log.count("Reloaded") == 1


def test_a_function_folder_that_does_not_load_any_more_is_not_called_reloaded(tmp_path: Path) -> None:
    app = App(tmp_path)
    app.add("one", FINE, http_trigger("one"))
    with RunningHost(tmp_path) as host:
        app.write("one/__init__.py", "import no_such_package\n")
        host.wait_for("The last good version goes on for: one.")
        app.write("one/__init__.py", FINE)
        host.wait_for("Reloaded: 1 function\n")
        assert host.log.count("Reloaded") == 1


def test_a_second_host_on_a_store_tells_of_the_first(tmp_path: Path) -> None:
    App(tmp_path).add("fine", FINE, http_trigger("fine"))
    with RunningHost(tmp_path) as first, RunningHost(tmp_path) as second:
        second.wait_for(f"Another host serves this store too: process {first.pid}, {first.url}.")
        assert "Another host" not in first.log


def test_new_names_the_url_of_a_running_host(tmp_path: Path) -> None:
    App(tmp_path).add("fine", FINE, http_trigger("fine"))
    with RunningHost(tmp_path) as host:
        done = funchost("new", "hello", "--trigger", "http", "--root", tmp_path)
    assert said(done) == f"Next: curl {host.url}/api/hello\n"


# -- for machines


def test_with_json_every_line_is_an_object_from_the_first_problem_to_the_stop(tmp_path: Path) -> None:
    app = App(tmp_path, oops=1)
    app.add("fine", "print('a line')\n" + FINE, http_trigger("fine"))
    app.add("late", FINE, {"type": "timerTrigger", "name": "req", "schedule": "never"})
    lines = json_lines(tmp_path)

    (oops,) = [line for line in lines if line.get("key") == "oops"]
    assert (oops["level"], oops["file"], oops["line"]) == ("warning", "host.json", 1)
    assert oops["fix"]
    (never,) = [line for line in lines if line.get("function") == "late"]
    assert (never["level"], never["file"]) == ("error", "late/function.json")
    (table,) = [line for line in lines if "functions" in line]
    (listening,) = [line for line in lines if line["message"].startswith("Listening on")]
    assert {one["name"]: one["state"] for one in table["functions"]} == {
        "fine": "listening",
        "late": "in error",
    }
    assert table["functions"][0]["url"] == f"{listening['url']}/api/fine"
    assert lines[-1]["message"].startswith("Stopping")


def test_with_json_a_failed_start_is_an_object_too(tmp_path: Path) -> None:
    App(tmp_path, oops=1)
    strict = funchost("start", "--strict", "--root", tmp_path, "--port", "0", "--log-format", "json")
    nowhere = funchost("start", "--root", tmp_path / "gone", "--log-format", "json")
    for done in (strict, nowhere):
        last = json.loads(said(done).splitlines()[-1])
        assert (last["level"], last["exitCode"], done.returncode) == ("error", 3, 3)
    assert [json.loads(line)["level"] for line in said(strict).splitlines()] == ["warning", "error"]


def json_lines(root: Path) -> list[dict[str, Any]]:
    """What a host says in JSON from its start until it is stopped."""
    log = root.parent / "log.json"
    command = [COMMAND, "start", "--root", str(root), "--port", "0", "--log-format", "json"]
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stderr=stderr, env={**os.environ, "NO_COLOR": "1"})
        try:
            until(lambda: b"Listening on" in log.read_bytes(), DEADLINE)
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE) == 0
        finally:
            process.kill()
            process.wait()
    return [json.loads(line) for line in log.read_text().splitlines()]


# -- the command itself


def test_the_version_is_an_option_too() -> None:
    assert re.fullmatch(rb"funchost \S+\n", funchost("--version").stdout)


@pytest.mark.parametrize("port", ["abc", "65536", "-1", "8080.5"])
def test_what_is_no_port_is_told_what_one_is(port: str) -> None:
    done = funchost("start", f"--port={port}")
    assert done.returncode == 2
    assert f"'{port}' is no port: a port is a whole number from 1 to 65535" in said(done)


@pytest.mark.parametrize("model", ["v1", "v2"])
def test_what_init_and_new_write_has_no_problem(tmp_path: Path, model: str) -> None:
    funchost("init", tmp_path, "--model", model)
    funchost("new", "hello", "--trigger", "http", "--root", tmp_path)
    with RunningHost(tmp_path, "--strict") as host:
        assert "warning" not in host.log
