"""What user code finds around it: its own interpreter, its own modules, and nothing of the host."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from workers import PATIENCE, App, output, run, within

from funchost.host.workers.worker_settings import (
    default_python,
    describe_python,
    own_packages,
    passed_over,
)
from funchost.triggers.descriptor import Binding


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    app = App(tmp_path)
    yield app
    await app.close()


async def ask(app: App, expression: str, imports: str = "os, sys", **settings: Any) -> Any:
    """What an expression gives in a function."""
    code = f"import {imports}\ndef main(msg: str) -> str:\n    import json\n    return json.dumps({expression})\n"
    worker = await app.worker(app.function("ask", code, on="httpTrigger"), **settings)
    return json.loads(await output(worker, "ask"))


# -- the interpreter


@pytest.fixture
def own_python(tmp_path: Path) -> Path:
    """The app's own environment, with nothing installed."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True, timeout=60
    )
    return default_python(tmp_path, {})


async def test_the_apps_own_interpreter_runs_it(app: App, own_python: Path) -> None:
    assert own_python == app.root / ".venv" / "bin" / "python"
    assert await ask(app, "sys.prefix", python=own_python) == str(app.root / ".venv")


def test_without_one_it_is_that_of_the_active_environment(tmp_path: Path, own_python: Path) -> None:
    app = tmp_path / "app"
    assert default_python(app, {"VIRTUAL_ENV": str(tmp_path / ".venv")}) == own_python


def test_without_any_it_is_the_hosts(tmp_path: Path) -> None:
    assert default_python(tmp_path, {"VIRTUAL_ENV": str(tmp_path / "gone")}) == Path(sys.executable)
    assert own_packages(Path(sys.executable)) is None


def test_an_environment_whose_interpreter_is_gone_is_told_with_its_path(tmp_path: Path) -> None:
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(tmp_path / "gone")
    (problem,) = passed_over(tmp_path, {})
    assert problem.severity == "warning"
    assert f"{python} leads to {tmp_path / 'gone'}, which is not there" in problem.message
    assert str(sys.executable) in problem.message
    python.unlink()
    (problem,) = passed_over(tmp_path, {})
    assert f"There is no {python}" in problem.message


def test_no_environment_is_missed_where_there_is_a_better_one_or_none(
    tmp_path: Path, own_python: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    assert passed_over(tmp_path, {"VIRTUAL_ENV": str(broken)}) == []
    assert passed_over(tmp_path / "app", {"VIRTUAL_ENV": str(tmp_path / "gone")}) == []
    assert len(passed_over(tmp_path / "app", {"VIRTUAL_ENV": str(broken)})) == 1


def test_the_interpreter_of_an_app_is_described_where_it_is_not_the_hosts(
    tmp_path: Path, own_python: Path
) -> None:
    version = f"Python {platform.python_version()}"
    assert describe_python(own_python, tmp_path) == f"{version} from .venv"
    assert describe_python(own_python, tmp_path / "app") == f"{version} from {tmp_path / '.venv'}"
    assert describe_python(Path(sys.executable), tmp_path) == ""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to(own_python)
    assert describe_python(tmp_path / "bin/python3", tmp_path) == f"{version} from bin/python3"


async def test_the_hosts_azure_functions_stands_in_for_a_missing_one(app: App, own_python: Path) -> None:
    code = """
        import importlib.util
        import azure.functions as func
        def main(msg: func.HttpRequest) -> func.HttpResponse:
            others = ("aiohttp", "azure.storage", "msgspec")
            return func.HttpResponse(f"{msg.method} {[each for each in others if importlib.util.find_spec(each)]}")
    """
    worker = await app.worker(
        app.function("ask", code, on="httpTrigger"), python=own_python, fallback=own_packages(own_python)
    )
    request = {"method": "GET", "url": "http://localhost/", "headers": [], "query": {}, "params": {}}

    result = await run(worker, "ask", kind="http", data=request)

    assert result.body == b"GET []"
    await app.heard(lambda line: "no azure-functions; the host's own copy" in line.text)


async def test_nothing_needs_to_be_installed_there(app: App, own_python: Path) -> None:
    code = """
        import importlib.util, sys
        def main(msg: str) -> dict:
            names = ("funchost", "msgspec", "aiohttp", "azure", "uvloop")
            return {"found": [name for name in names if importlib.util.find_spec(name)]}
    """
    later = "async def main(msg: dict) -> dict:\n    return {'got': msg}\n"
    worker = await app.worker(
        app.function("plain", code, on="httpTrigger"),
        app.function("later", later, on="httpTrigger"),
        python=own_python,
    )
    assert await output(worker, "plain") == b'{"found":[]}'
    assert await output(worker, "later", b'{"a":1}') == b'{"got":{"a":1}}'


async def test_a_missing_package_names_the_interpreter_that_lacks_it(app: App, own_python: Path) -> None:
    worker = await app.worker(python=own_python)
    error = await within(worker.load(app.function("needs", "import azure.functions\ndef main(msg): pass\n")))
    assert error is not None
    assert str(own_python) in error.message


async def test_the_worker_is_standard_library_alone(app: App, own_python: Path) -> None:
    imported = {name.partition(".")[0] for name in await ask(app, "sorted(sys.modules)", python=own_python)}
    assert imported - sys.stdlib_module_names == {"__main__", "__app__", "funchost_worker"}


# -- names


@pytest.mark.parametrize(
    "name", ["server", "protocol", "logs", "streams", "threads", "values", "connect", "audit"]
)
async def test_a_module_of_the_app_may_be_named_like_one_of_the_worker(app: App, name: str) -> None:
    (app.root / f"{name}.py").write_text("WHO = 'the app'\n")
    assert await ask(app, f"{name}.WHO", imports=name) == "the app"


async def test_a_function_may_be_named_like_a_module_of_the_worker(app: App) -> None:
    function = app.function(
        "server", "def main(msg: bytes) -> bytes:\n    return msg\n", on="httpTrigger", script="server.py"
    )
    worker = await app.worker(function)
    assert await output(worker, "server", b"own") == b"own"


async def test_the_folder_of_the_worker_is_not_searched_for_modules(app: App) -> None:
    worker_folder = str(Path(__file__).parents[2] / "host" / "worker")
    assert worker_folder not in [os.path.realpath(path) for path in await ask(app, "sys.path")]


# -- the process


async def test_functions_work_in_the_app_root(app: App) -> None:
    assert await ask(app, "os.getcwd()") == str(app.root)


async def test_the_environment_is_the_hosts_with_the_apps_settings_and_nothing_else(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FROM_HOST", "host")
    monkeypatch.setenv("BOTH", "host")
    seen = await ask(app, "dict(os.environ)", environment={"BOTH": "app", "OWN": "app"})
    assert (seen["FROM_HOST"], seen["BOTH"], seen["OWN"]) == ("host", "app", "app")
    assert [name for name in seen if name.startswith("FUNCHOST_WORKER")] == []


async def test_children_do_not_see_the_stream_either(app: App) -> None:
    seen = await ask(
        app, "subprocess.run(['env'], capture_output=True, text=True).stdout", imports="subprocess"
    )
    assert "FUNCHOST_WORKER" not in seen


async def test_children_do_not_inherit_the_stream(app: App) -> None:
    code = "subprocess.run(['ls', '-l', '/proc/self/fd'], capture_output=True, text=True, close_fds=False).stdout"
    assert "socket" not in await ask(app, code, imports="subprocess")


async def test_children_can_be_ended_by_a_signal(app: App) -> None:
    code = """
        import signal, subprocess
        def main(msg: str) -> str:
            child = subprocess.Popen(["sleep", "30"])
            child.send_signal(signal.SIGTERM)
            return str(child.wait(5))
    """
    worker = await app.worker(app.function("stop", code, on="httpTrigger"))
    assert await output(worker, "stop") == b"-15"


async def test_fresh_code_leaves_no_byte_code_behind(app: App) -> None:
    assert await ask(app, "sys.dont_write_bytecode", fresh_code=True) is True
    assert list(app.root.rglob("*.pyc")) == []


async def test_writes_into_watched_folders_are_told_with_the_result(app: App) -> None:
    (app.root / "in").mkdir()
    code = """
        import pathlib, threading
        def main(msg: str) -> None:
            pathlib.Path("in/one").write_text("1")
            thread = threading.Thread(target=lambda: pathlib.Path("in/two").write_text("2"))
            thread.start(); thread.join()
            pathlib.Path("elsewhere").write_text("3")
    """
    files = Binding(type="fileTrigger", name="msg", fields={"path": "in/{name}"})
    worker = await app.worker(
        app.function("write", code),
        app.function("idle", "def main(msg: str) -> None: pass\n"),
        replace(app.function("watch", "def main(msg: str) -> None: pass\n"), trigger=files),
    )
    result = await run(worker, "write", invocation="writer")
    assert result.wrote == [str(app.root / "in" / "one"), str(app.root / "in" / "two")]
    assert (await run(worker, "idle", invocation="idler")).wrote == []


async def test_a_worker_ends_with_its_host_even_when_it_is_busy(app: App) -> None:
    app.function(
        "busy",
        "import pathlib\nasync def main(msg: str) -> None:\n    pathlib.Path('busy/now').touch()\n    while True: pass\n",
    )
    host = f"""
import asyncio, pathlib, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from workers import App, call
async def main():
    app = App(pathlib.Path({str(app.root)!r}))
    worker = await app.worker(app.function("busy", open("busy/__init__.py").read()))
    worker.invoke(call("busy"))
    while not (app.root / "busy" / "now").exists():
        await asyncio.sleep(0.01)
    print(worker.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", host, cwd=app.root, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    pid = int(await within(process.stdout.readline()))
    os.kill(pid, 0)
    process.kill()
    await within(process.wait())
    ended = psutil.Process(pid) if psutil.pid_exists(pid) else None
    if ended:
        await asyncio.to_thread(ended.wait, PATIENCE)
