"""What functions log and print, as it is seen on the console of the host."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from apps.serving import Host, copy_app, serve
from e2e.running import funchost

from funchost.bindings.clock import short_run_id

MODELS = ["v1", "v2"]

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

CALLED = "This function was programmatically called via the host APIs."


@pytest.fixture(scope="module", params=MODELS)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("logs", request.param, tmp_path_factory.mktemp("app"))


@pytest.fixture(scope="module", params=MODELS)
def verbose(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("logs", request.param, tmp_path_factory.mktemp("app"), "--verbose")


def start(folder: Path, *arguments: str, env: dict[str, str] | None = None, **log_level: str) -> Host:
    """A host with levels in host.json."""
    root = copy_app("logs", "v2", folder)
    levels = {key.replace("_", "."): level for key, level in log_level.items()}
    (root / "host.json").write_text(json.dumps({"version": "2.0", "logging": {"logLevel": levels}}))
    return Host(root, *arguments, env=env)


def does(host: Host, deed: str, function: str = "plain") -> str:
    """Have the function do something; returns what its lines begin with."""
    answer = host.get(f"/api/{function}?do={deed}")
    assert answer.status == 200, host.log
    return f"[{function} {short_run_id(answer.text)}]"


def settled(host: Host) -> str:
    """The log, when all that was said before this is in it."""
    host.wait_for(f"{does(host, 'prints')} printed without an end")
    return host.log


# -- what is shown


def test_information_and_more_is_shown_with_its_function_and_level(host: Host) -> None:
    mine = does(host, "levels")
    host.wait_for(f"{mine} CRITICAL shop at critical")
    for line in ("root at info", "WARNING shop at warning", "ERROR shop at error"):
        assert f"{mine} {line}" in host.log


def test_debug_is_silent_but_for_a_logger_that_the_app_set_to_debug(host: Host) -> None:
    mine = does(host, "levels")
    host.wait_for(f"{mine} shop at debug")
    assert "root at debug" not in settled(host)


def test_levels_of_ones_own_are_shown_where_the_logger_lets_them_through(host: Host) -> None:
    mine = does(host, "own_levels")
    host.wait_for(f"{mine} a notice")
    host.wait_for(f"{mine} a trace\n")
    assert "that nobody asked for" not in settled(host)


def test_what_is_printed_is_shown_with_its_function(host: Host) -> None:
    mine = does(host, "prints")
    for text in ("printed to stdout", "printed to stderr", "printed without an end"):
        host.wait_for(f"{mine} {text}\n")


def test_what_the_import_prints_belongs_to_no_function(host: Host) -> None:
    found = host.wait_for(re.compile(r"^(.*)the module is imported", re.MULTILINE))
    assert "[" not in found[1]


def test_loggers_and_lines_of_the_machinery_are_not_shown(host: Host) -> None:
    mine = does(host, "system")
    host.wait_for(f"{mine} of a package")
    assert not re.search("of the library|of the worker|of the console", settled(host))


def test_with_verbose_they_are_shown(verbose: Host) -> None:
    does(verbose, "system")
    for text in ("of the library", "of the worker", "of the console"):
        verbose.wait_for(text)


def test_an_exception_that_is_logged_is_shown_with_type_message_and_stack(host: Host) -> None:
    mine = does(host, "catches")
    host.wait_for("KeyError: 'order'")
    block = host.log.partition(f"{mine} ERROR no such order")[2]
    assert re.match(r"\s+Traceback .*\n.*deeds\.py.*\n(.*\n){0,3}?\s+KeyError: 'order'", block), block


def test_an_exception_that_is_raised_is_shown_with_type_message_and_stack(host: Host) -> None:
    assert host.get("/api/plain?do=raises").status == 500
    found = host.wait_for(
        re.compile(rf"ERROR Executed 'Functions.plain' \(Failed, Id={UUID}, Duration=\d+ms\)")
    )
    host.wait_for("ValueError: no such order at all")
    assert "deeds.py" in host.log[found.end() :]


def test_a_run_that_succeeds_says_nothing_of_itself(host: Host) -> None:
    does(host, "levels")
    log = settled(host)
    assert "Executing" not in log
    assert "Succeeded" not in log
    assert "Host initialized" not in log


# -- whose lines they are


@pytest.mark.parametrize(
    ("deed", "function", "said"),
    [
        ("thread", "plain", ["from a thread"]),
        ("pooled", "plain", ["from a pool"]),
        ("leaves_exception_in_thread", "plain", ["Exception in thread", "RuntimeError: nobody waits"]),
        ("prints_traceback", "plain", ["ZeroDivisionError: division by zero"]),
        ("task", "coroutine", ["from a task", "from to_thread", "from an executor"]),
    ],
)
def test_lines_from_threads_and_tasks_belong_to_the_run(
    host: Host, deed: str, function: str, said: list[str]
) -> None:
    mine = does(host, deed, function)
    for text in said:
        host.wait_for(re.compile(rf"{re.escape(mine)} (?:[^\[]*\n)*?.*{text}"))


def test_a_thread_that_names_its_run_by_thread_local_storage_logs_for_it(host: Host) -> None:
    for _ in range(2):
        mine = does(host, "named")
        host.wait_for(re.compile(rf"{re.escape(mine)} from a thread of old for .{{9}}{mine[-10:-1]}"))


def test_lines_of_many_tasks_belong_to_their_run(host: Host) -> None:
    mine = does(host, "crowd", "coroutine")
    for number in range(5):
        host.wait_for(re.compile(rf"{re.escape(mine)} crowd {number} of .{{9}}{mine[-10:-1]}"))


# -- what must not break anything


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        ("malformed", "'%d orders' could not be formatted: TypeError"),
        ("malformed", "half a ? pair\n"),
        ("malformed", "half a ? pair on stdout\n"),
        ("malformed", "with more"),
        ("long_line", "end of the long one"),
        ("closes_streams", "after closing"),
        ("replaces_stream", "back again"),
        ("breaks_stream", "with a broken stream"),
        ("native", "past all streams"),
        ("native", "from a child"),
    ],
)
def test_the_run_and_the_next_one_succeed_whatever_is_done_to_the_log(
    host: Host, deed: str, said: str
) -> None:
    does(host, deed)
    host.wait_for(said)
    mine = does(host, "levels")
    host.wait_for(f"{mine} root at info")


def test_ten_megabytes_of_output_hold_up_nobody(tmp_path: Path) -> None:
    # They are not shown: what is tested is the host, not the pipe that it writes to.
    with start(tmp_path, Function_plain_User="Warning") as host:
        for deed in ("ten_megabytes", "one_of_ten_megabytes"):
            does(host, deed)
            mine = does(host, "levels")
            host.wait_for(f"{mine} WARNING shop at warning")


@pytest.mark.parametrize("model", MODELS)
def test_an_app_that_closes_its_standard_output_goes_on_logging(model: str, tmp_path: Path) -> None:
    for host in serve("logs", model, tmp_path):
        mine = does(host, "closes_descriptor")
        host.wait_for(f"{mine} without a descriptor")
        mine = does(host, "prints")
        host.wait_for(f"{mine} printed to stdout")


# -- levels


def test_host_json_hides_debug_that_the_app_turned_on(tmp_path: Path) -> None:
    with start(tmp_path, default="Information") as host:
        mine = does(host, "levels")
        host.wait_for(f"{mine} CRITICAL shop at critical")
        assert f"{mine} root at info" in host.log
        assert "shop at debug" not in host.log


def test_the_longest_category_counts_and_keys_and_levels_have_no_case(tmp_path: Path) -> None:
    with start(tmp_path, Default="none", function="WARNING", Function_plain_User="critical") as host:
        does(host, "levels")
        host.wait_for("shop at critical")
        does(host, "crowd", "coroutine")
        host.get("/api/plain?do=raises")
        host.wait_for("ValueError: no such order at all")
        assert not re.search("shop at error|crowd|is imported", host.log)


def test_a_setting_in_the_environment_overrides_host_json(tmp_path: Path) -> None:
    env = {"AzureFunctionsJobHost__logging__logLevel__default": "Error"}
    with start(tmp_path, env=env, default="Debug") as host:
        does(host, "levels")
        host.wait_for("shop at critical")
        assert "ERROR shop at error" in host.log
        assert "shop at warning" not in host.log


def test_host_json_hides_details_in_spite_of_verbose(tmp_path: Path) -> None:
    with start(tmp_path, "--verbose", Function="Warning", Host_Startup="None") as host:
        mine = does(host, "levels")
        host.wait_for(f"{mine} CRITICAL shop at critical")
        assert not re.search("Executing|Generating", host.log)


def test_debug_logging_opens_the_root_logger(tmp_path: Path) -> None:
    with start(tmp_path, env={"PYTHON_ENABLE_DEBUG_LOGGING": "1"}) as host:
        mine = does(host, "levels")
        host.wait_for(f"{mine} root at debug")


# -- verbose


def test_the_start_is_told(verbose: Host) -> None:
    verbose.wait_for(
        re.compile(
            r"Generating 3 job function\(s\)\n(.*\n)*?.*Found the following functions:\n"
            r"(\s+Host\.Functions\.(plain|coroutine|orders)\n){3}"
            r"(.*\n)*?.*Host initialized \(\d+ms\)\n(.*\n)*?.*Host started \(\d+ms\)\n.*Job host started\n"
        )
    )


def test_a_request_is_told_with_its_reason_and_the_id_that_the_function_sees(verbose: Host) -> None:
    run = verbose.get("/api/plain?do=levels").text
    assert re.fullmatch(UUID, run)
    verbose.wait_for(f"Executing 'Functions.plain' (Reason='{CALLED}', Id={run})\n")
    verbose.wait_for(re.compile(rf"Executed 'Functions\.plain' \(Succeeded, Id={run}, Duration=\d+ms\)\n"))
    lines = [line for line in verbose.log.splitlines() if f"[plain {short_run_id(run)}]" in line]
    assert "Executing" in lines[0] and "Executed" in lines[-1]
    assert not any("Trigger Details" in line for line in lines)


def test_a_message_is_told_with_its_details(verbose: Host) -> None:
    funchost("queues", "send", "orders", "fine", "--root", verbose.root)
    verbose.wait_for(
        re.compile(
            r"Executing 'Functions\.orders' \(Reason='New queue message detected on 'orders'\.', "
            rf"Id={UUID}\)\n.*Trigger Details: MessageId: {UUID}, DequeueCount: 1, "
            r"InsertedOn: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00\n"
        )
    )
    verbose.wait_for("order fine")


def test_a_message_that_fails_is_told(verbose: Host) -> None:
    funchost("queues", "send", "orders", "bad", "--root", verbose.root)
    verbose.wait_for(re.compile(rf"Executed 'Functions\.orders' \(Failed, Id={UUID}, Duration=\d+ms\)"))
    verbose.wait_for("ValueError: a bad order")


def test_a_run_by_hand_is_told_with_azures_reason(verbose: Host) -> None:
    verbose.run("orders", "by hand")
    verbose.wait_for(f"Executing 'Functions.orders' (Reason='{CALLED}', Id=")
    verbose.wait_for("order by hand")
