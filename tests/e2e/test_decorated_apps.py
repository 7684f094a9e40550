"""Apps in the v2 model as a whole: which script it is, what it must hold, and what becomes of changes to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from e2e.apps import App, http_trigger, request, until, workers
from e2e.running import DEADLINE, RunningHost, funchost

HEAD = "import azure.functions as func\napp = func.FunctionApp(http_auth_level='ANONYMOUS')\n"
ROUTE = "@app.route(route='{0}')\ndef {0}(req: func.HttpRequest) -> str:\n    return '{1}'\n"


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path / "app")


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("", "function_app.py has no function app. Add `app = func.FunctionApp()`"),
        ("import azure.functions as func\n", "function_app.py has no function app"),
        (
            "import azure.functions as func\nbp = func.Blueprint()\n",
            "(bp is a Blueprint, which has to be registered with one)",
        ),
        (f"{HEAD}second = func.FunctionApp()\n", "function_app.py has 2 function apps: app, second"),
        (f"{HEAD}again = app\n", "function_app.py has 2 function apps: app, again"),
        (f"{HEAD}def (:\n", "function_app.py, line 3: SyntaxError"),
        (f"{HEAD}import not_installed_anywhere\n", "Add the package that provides 'not_installed_anywhere'"),
        (f"{HEAD}import sys\nsys.exit(3)\n", "function_app.py calls sys.exit(3) while it is imported"),
        (f"{HEAD}import os\nos._exit(3)\n", "The worker ended while it imported function_app.py"),
        (f"{HEAD}raise KeyError('x')\n", "function_app.py fails while it is imported: KeyError: 'x'"),
        (f"{HEAD}@app.function_name('lost')\ndef lost(): pass\n", "lost does not have a trigger"),
        (HEAD + ROUTE.format("one", 1) * 2, "Function one does not have a unique"),
        (f"{HEAD}app.register_functions(func.FunctionApp())\n", "TypeError"),
    ],
)
def test_an_app_that_cannot_be_read_has_no_functions_but_a_reason(app: App, script: str, told: str) -> None:
    app.write("function_app.py", script)

    with RunningHost(app.root) as host:
        host.wait_for(told)
        assert request(host, "/api/one")[0] == 404
        assert request(host, "/admin/host/ping")[0] == 200
        # The host waits for the script to be mended.
        app.write("function_app.py", HEAD + ROUTE.format("one", "mended"))
        until(lambda: request(host, "/api/one") == (200, "mended"), DEADLINE, lambda: host.log)


def test_a_script_that_breaks_leaves_its_last_good_version_in_service(app: App) -> None:
    app.write("function_app.py", HEAD + ROUTE.format("one", "first"))

    with RunningHost(app.root) as host:
        app.write("function_app.py", "def (:\n")
        host.wait_for("The last good version goes on for: one.")
        assert request(host, "/api/one") == (200, "first")

        app.write("function_app.py", HEAD + ROUTE.format("one", "third") + ROUTE.format("two", "new"))
        until(lambda: request(host, "/api/two") == (200, "new"), DEADLINE, lambda: host.log)
        assert request(host, "/api/one") == (200, "third")

        app.write("function_app.py", HEAD + ROUTE.format("two", "alone"))
        until(lambda: request(host, "/api/two") == (200, "alone"), DEADLINE, lambda: host.log)
        assert request(host, "/api/one")[0] == 404


def test_a_function_that_breaks_leaves_the_others_their_new_code(app: App) -> None:
    app.write("function_app.py", HEAD + ROUTE.format("one", "old") + ROUTE.format("two", "old"))

    with RunningHost(app.root) as host:
        broken = ROUTE.format("one", "new").replace(
            "(req: func.HttpRequest)", "(req: func.HttpRequest, more)"
        )
        app.write("function_app.py", HEAD + broken + ROUTE.format("two", "new"))
        until(lambda: request(host, "/api/two") == (200, "new"), DEADLINE, lambda: host.log)
        assert request(host, "/api/one") == (200, "old")


def test_the_script_may_have_another_name(app: App) -> None:
    app.write("my_app.py", HEAD + ROUTE.format("one", "mine"))

    with RunningHost(app.root, env={"PYTHON_SCRIPT_FILE_NAME": "my_app.py"}) as host:
        assert request(host, "/api/one") == (200, "mine")


def test_a_name_that_no_script_can_have_is_told(app: App) -> None:
    done = funchost("list", "--root", app.root, env={"PYTHON_SCRIPT_FILE_NAME": "../my_app.py"})

    assert b"'../my_app.py' cannot be the name of the app's script" in done.stderr


def test_function_folders_beside_the_script_are_not_served_and_told(app: App) -> None:
    app.add("old", "def main(req) -> str:\n    return 'v1'\n", http_trigger())
    app.write("function_app.py", HEAD + ROUTE.format("new", "v2"))

    with RunningHost(app.root) as host:
        host.wait_for("old/function.json: This function is not served: the app has function_app.py")
        assert request(host, "/api/old")[0] == 404
        assert request(host, "/api/new") == (200, "v2")


def test_every_worker_has_all_functions(app: App) -> None:
    app.write(
        "function_app.py", f"import os\n{HEAD}" + ROUTE.format("pid", "").replace("''", "str(os.getpid())")
    )

    with RunningHost(app.root, "--workers", "2") as host:
        until(lambda: len(workers(host)) == 2, DEADLINE, lambda: host.log)
        seen: set[str] = set()
        for pid in workers(host):
            assert request(host, "/api/pid")[0] == 200
            seen.add(str(pid))
        assert request(host, "/api/pid")[1] in seen


def test_commands_know_the_functions_without_a_running_host(app: App) -> None:
    app.write("function_app.py", HEAD + ROUTE.format("one", "by hand"))

    assert [one["name"] for one in json.loads(funchost("list", "--root", app.root, "--json").stdout)] == [
        "one"
    ]
    assert funchost("run", "one", "--root", app.root).stdout == b"by hand\n"
    unknown = funchost("run", "onee", "--root", app.root)
    assert b"There is no function 'onee'" in unknown.stderr
    assert b"Did you mean one?" in unknown.stderr


def test_strict_refuses_an_app_that_cannot_be_read(app: App) -> None:
    app.write("function_app.py", "")

    done = funchost("start", "--root", app.root, "--port", "0", "--strict")

    assert done.returncode == 3
    assert b"has no function app" in done.stderr


def test_what_init_and_new_write_is_served(tmp_path: Path) -> None:
    root = tmp_path / "shop"
    assert funchost("init", root, "--model", "v2").returncode == 0
    kinds = ("http", "queue", "timer", "blob", "file", "manual")
    for kind in kinds:
        assert funchost("new", f"my-{kind}", "--trigger", kind, "--root", root).returncode == 0

    with RunningHost(root) as host:
        assert request(host, "/api/my-http?name=Ada") == (200, "Hello, Ada!\n")
        found = json.loads(request(host, "/admin/functions")[1])
        assert {one["name"]: one["errors"] for one in found} == {f"my-{kind}": [] for kind in kinds}
        assert funchost("run", "my-manual", "--root", root, "--data", "it").stdout == b"done with 'it'\n"
