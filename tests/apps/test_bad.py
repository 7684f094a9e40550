"""Code that misbehaves: it fails with its reason, and the host and the other functions go on."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from apps.serving import Host, serve
from e2e.running import DEADLINE


@pytest.fixture(scope="module")
def v1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("bad", "v1", tmp_path_factory.mktemp("app"))


@pytest.fixture(scope="module")
def v2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("bad", "v2", tmp_path_factory.mktemp("app"))


@pytest.fixture(params=["v1", "v2"])
def host(request: pytest.FixtureRequest) -> Host:
    found: Host = request.getfixturevalue(request.param)
    return found


def goes_on(host: Host) -> None:
    """The other functions run, at the latest once a worker that ended has its successor."""
    end = time.monotonic() + DEADLINE
    while (answer := host.get("/api/ok")).status == 503 and time.monotonic() < end:
        pass
    assert (answer.status, answer.text) == (200, "fine")


def reason(host: Host, name: str) -> str:
    """Why a function is in error."""
    status = next(each for each in host.get("/admin/functions").json if each["name"] == name)
    assert status["state"] == "in error"
    return " ".join(status["errors"])


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("load_exit", "calls sys.exit('nothing to do') while it is imported"),
        ("load_os_exit", "exited with code 3"),
        ("load_syntax", "load_syntax/__init__.py, line 1: SyntaxError: expected ':'"),
        ("load_indent", "line 2: IndentationError"),
        ("load_encoding", "line 2: SyntaxError: (unicode error)"),
        ("load_null", "null bytes"),
        ("load_missing", "Add the package that provides 'no_such_package' to requirements.txt"),
        ("load_missing_own", "The app has no such module"),
        ("load_name", "cannot import name 'nothing_of_this_name' from 'json'"),
        ("load_raises", "ValueError: not like this"),
        ("load_mute", "Mute: <exception str() failed>"),
        ("load_base", "Harsh: beyond Exception"),
        ("load_interrupt", "KeyboardInterrupt"),
        ("load_recursion", "RecursionError"),
        ("load_no_main", "Did you mean 'mian'?"),
        ("load_no_function", "the entry point 'main' is of type str"),
        ("load_annotation", "name 'NoSuchType' is not defined"),
    ],
)
def test_code_that_does_not_load_takes_out_its_function_alone(v1: Host, name: str, why: str) -> None:
    answer = v1.get(f"/api/{name}")

    assert (answer.status, answer.body) == (500, b"")
    assert why in reason(v1, name)
    assert why in v1.log
    goes_on(v1)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("json_broken", "json_broken/function.json:2: Expected a comma"),
        ("json_empty", "The file is empty"),
        ("json_list", "A list is not an object"),
        ("json_none", "There is no trigger"),
        ("json_two", "There are 2 triggers"),
        ("json_script", "'gone.py' does not exist"),
        ("json_type", "Did you mean httpTrigger?"),
    ],
)
def test_a_function_json_that_is_wrong_takes_out_its_function_alone(v1: Host, name: str, why: str) -> None:
    assert v1.get(f"/api/{name}").status == 404
    assert reason(v1, name)
    assert why in v1.log
    goes_on(v1)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("import sys\nsys.exit(1)", "calls sys.exit(1) while it is imported"),
        ("import os\nos._exit(3)", "exited with code 3"),
        ("def main(:\n", "function_app.py, line 1: SyntaxError"),
        ("import no_such_package", "Add the package that provides 'no_such_package' to requirements.txt"),
        ("class Harsh(BaseException): pass\nraise Harsh('beyond Exception')", "Harsh: beyond Exception"),
        ("def down(): return down()\ndown()", "RecursionError"),
    ],
)
def test_a_script_that_does_not_load_leaves_a_host_that_says_why(
    tmp_path: Path, script: str, why: str
) -> None:
    (tmp_path / "function_app.py").write_text(script)
    (tmp_path / "host.json").write_text('{"version": "2.0"}')

    with Host(tmp_path) as host:
        assert host.get("/api/anything").status == 404
        assert host.get("/admin/functions").json == []
        assert why in host.log


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("exit", "SystemExit: enough"),
        ("exit_async", "SystemExit: enough"),
        ("exit_zero", "SystemExit"),
        ("os_exit", "exited with code 7, announced by os._exit(7)"),
        ("kill", "ended by SIGKILL"),
        ("abort", "ended by SIGABRT"),
        ("mute", "Mute: <exception str() failed>"),
        ("mute_repr", "MuteRepr: <exception str() failed>"),
        ("harsh", "Harsh: beyond Exception"),
        ("harsh_async", "Harsh: beyond Exception"),
        ("interrupt", "KeyboardInterrupt"),
        ("interrupt_async", "KeyboardInterrupt"),
        ("generator_exit", "GeneratorExit"),
        ("generator_exit_async", "GeneratorExit"),
        ("cancelled", "CancelledError"),
        ("cancelled_async", "CancelledError"),
        ("stop_iteration", "StopIteration: over"),
        ("stop_iteration_async", "StopIteration: over"),
        ("group", "ValueError: a"),
        ("recursion", "RecursionError"),
        ("recursion_async", "RecursionError"),
        ("wrong", "not a value of type object"),
        ("wrong_set", "not a value of type set"),
        ("wrong_nan", "cannot be written as JSON"),
        ("surrogate", "not valid Unicode"),
    ],
)
def test_a_call_that_fails_answers_500_and_logs_its_reason(host: Host, name: str, why: str) -> None:
    answer = host.get(f"/api/{name}")

    assert (answer.status, answer.body) == (500, b"")
    goes_on(host)
    host.wait_for(re.compile(rf"Executed 'Functions\.{name}' \(Failed[\s\S]*?{re.escape(why)}"))


def test_stopping_the_loop_ends_the_worker_and_a_new_one_goes_on(host: Host) -> None:
    assert host.get("/api/stop_loop").status == 500

    # A request that comes while the worker ends may be lost with it.
    end = time.monotonic() + DEADLINE
    while host.get("/api/ok").status != 200 and time.monotonic() < end:
        pass
    goes_on(host)


def test_closing_all_files_ends_the_call_and_not_the_host(host: Host) -> None:
    assert host.get("/api/close_all").status == 500

    goes_on(host)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("chdir", "/"),
        ("close_stdout", "closed"),
        ("no_stdout", "removed"),
        ("close_fds", "closed"),
        ("forget", "forgotten"),
        ("environ", "0"),
        ("path", "cleared"),
        ("limit", "low"),
        ("terminate", "still here"),
        ("thread_fails", "joined"),
    ],
)
def test_what_a_call_breaks_around_it_harms_no_other(host: Host, name: str, text: str) -> None:
    answer = host.get(f"/api/{name}")

    assert (answer.status, answer.text) == (200, text)
    goes_on(host)
    # What is wrong is still told by the functions that come after it.
    assert host.get("/api/harsh").status == 500
    assert host.get("/api/exit_async").status == 500


def test_a_huge_result_arrives_whole(host: Host) -> None:
    assert len(host.get("/api/huge").body) == 20_000_000
    goes_on(host)


@pytest.mark.parametrize("name", ["prints", "prints_one_line"])
def test_ten_megabytes_of_output_hold_nobody_up(host: Host, name: str) -> None:
    assert host.get(f"/api/{name}").text == "printed"
    goes_on(host)
