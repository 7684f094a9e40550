"""How functions are called: threads, the one loop, and what belongs to an invocation (python-model, section 5)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from apps.serving import Host, serve
from e2e.running import DEADLINE


@pytest.fixture(scope="module", params=["v1", "v2"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    settings = {"PYTHON_THREADPOOL_THREAD_COUNT": "3"}
    yield from serve("calling", request.param, tmp_path_factory.mktemp("app"), env=settings)


def test_a_plain_function_runs_in_a_thread_of_its_own(host: Host) -> None:
    assert host.get("/api/thread").text == "False"


def test_as_many_plain_functions_run_at_once_as_the_setting_says(host: Host) -> None:
    end = time.monotonic() + DEADLINE
    with ThreadPoolExecutor(4) as clients:
        calls = [clients.submit(host.get, "/api/hold") for _ in range(4)]
        # Coroutine functions run all the while: they need no thread.
        while int(host.get("/api/held").text) < 3 and time.monotonic() < end:
            pass
        held = host.get("/api/release").text
        answers = [call.result() for call in calls]

    assert held == "3"
    assert [answer.status for answer in answers] == [200] * 4
    assert max(int(answer.text) for answer in answers) == 4


def test_coroutine_functions_run_on_one_loop(host: Host) -> None:
    loops = {host.get("/api/loop").text, host.get("/api/loop2").text}

    assert len(loops) == 1
    assert loops.pop().endswith("True")


def test_coroutine_functions_run_side_by_side(host: Host) -> None:
    with ThreadPoolExecutor(1) as clients:
        first = clients.submit(host.get, "/api/meet?first=1")
        end = time.monotonic() + DEADLINE
        while not first.done() and time.monotonic() < end:
            assert host.get("/api/meet").text == "second"

        assert first.result().text == "met"


def test_a_plain_function_may_set_an_event_loop(host: Host) -> None:
    # Twice as often as there are threads, so that each is used again.
    for _ in range(6):
        assert host.get("/api/own_loop").text == "ran on its own loop"
        assert host.get("/api/asyncio_run").text == "ran"


def test_tasks_inherit_context_variables(host: Host) -> None:
    assert host.get("/api/tasks?who=Ada").text == "Ada Ada Ada Ada Ada"


def test_what_tasks_log_belongs_to_their_invocation(host: Host) -> None:
    host.get("/api/tasks?who=Grace")

    found = host.wait_for(re.compile(r"\[tasks ([\w-]+)\] task of Grace"))
    assert len(re.findall(rf"\[tasks {found[1]}\] task of Grace", host.log)) == 4


@pytest.mark.parametrize(
    "text",
    [
        "from run_in_executor",
        "from to_thread",
        "from a pool of its own",
        "from a thread",
        "printed in a pool",
    ],
)
def test_what_threads_say_belongs_to_their_invocation(host: Host, text: str) -> None:
    assert host.get("/api/pools").text == "done"

    host.wait_for(re.compile(rf"\[pools [\w-]+\] {text}"))


def test_a_printed_line_without_an_end_is_shown_after_the_call(host: Host) -> None:
    host.get("/api/unfinished")

    host.wait_for(re.compile(r"\[unfinished [\w-]+\] without an end$", re.MULTILINE))


def test_arguments_are_passed_by_keyword(host: Host) -> None:
    assert host.get("/api/keyword").text == "by keyword"


@pytest.mark.parametrize(("function", "message"), [("fails", "not today"), ("fails_async", "not now")])
def test_a_function_that_raises_answers_500_without_a_word(host: Host, function: str, message: str) -> None:
    answer = host.get(f"/api/{function}")

    assert (answer.status, answer.body) == (500, b"")
    host.wait_for(f"ValueError: {message}")


def test_a_generator_streams_its_response(host: Host) -> None:
    assert host.get("/api/generator").text == "one two"


@pytest.mark.parametrize("model", ["v1", "v2"])
def test_several_processes_share_the_requests(model: str, tmp_path: Path) -> None:
    for host in serve("calling", model, tmp_path, env={"FUNCTIONS_WORKER_PROCESS_COUNT": "2"}):
        seen: set[str] = set()
        end = time.monotonic() + DEADLINE
        with ThreadPoolExecutor(4) as clients:
            while len(seen) < 2 and time.monotonic() < end:
                calls = [clients.submit(host.get, "/api/process") for _ in range(4)]
                seen |= {call.result().text for call in calls}
        assert len(seen) == 2
