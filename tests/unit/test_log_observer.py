"""What is logged of the start, of invocations and of workers."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes import ManualClock, make_function

from funchost.host.execution.run import Run
from funchost.host.logs.log import Log
from funchost.host.logs.log_levels import LogLevels
from funchost.host.logs.observers import LogObserver
from funchost.triggers.base import ErrorInfo, Outcome, Status, TriggerEvent

ID = "01234567-89ab-4cde-a012-0123456789ab"
_START = datetime(2026, 3, 1, tzinfo=UTC)


def said(do: Callable[[LogObserver], None], least: str = "debug", **levels: str) -> list[str]:
    """The lines that come of it, without time and function."""
    stream = io.StringIO()
    log = Log(stream, "plain", least, clock=ManualClock())
    log.levels = LogLevels({key.replace("__", "."): level for key, level in levels.items()})
    do(LogObserver(log))
    log.close()
    return [re.sub(r"^\S+ (\[.*?\] )?", "", line) for line in stream.getvalue().splitlines()]


def outcome(status: Status = Status.SUCCEEDED, error: ErrorInfo | None = None) -> Outcome:
    return Outcome(
        status=status,
        function="Work",
        invocation_id=ID,
        started=_START,
        ended=_START + timedelta(milliseconds=1234.4),
        error=error,
    )


def _run(event: TriggerEvent | None = None) -> Run:
    run = Run(make_function(name="Work"), event or TriggerEvent(kind="manual"), ManualClock())
    run.invocation_id = ID
    return run


def run(observer: LogObserver, event: TriggerEvent | None = None) -> None:
    work = _run(event)
    observer.started(work)
    observer.ended(work, outcome())


# -- the start


def test_the_start_is_told_in_azures_words() -> None:
    def start(observer: LogObserver) -> None:
        observer.initialized(["One", "Two"], 0.1234)
        observer.serving(0.2)

    assert said(start) == [
        "Generating 2 job function(s)",
        "Found the following functions:",
        "    Host.Functions.One",
        "    Host.Functions.Two",
        "Host initialized (123ms)",
        "Host started (200ms)",
        "Job host started",
    ]
    assert said(start, "info") == []
    assert said(start, Host__Startup="Warning") == []


def test_without_functions_none_are_found() -> None:
    assert said(lambda observer: observer.initialized([], 0)) == [
        "Generating 0 job function(s)",
        "Host initialized (0ms)",
    ]


# -- invocations


def test_a_run_begins_and_ends_in_azures_words() -> None:
    reason = "This function was programmatically called via the host APIs."
    assert said(run) == [
        f"Executing 'Functions.Work' (Reason='{reason}', Id={ID})",
        f"Executed 'Functions.Work' (Succeeded, Id={ID}, Duration=1234ms)",
    ]


def test_details_follow_the_beginning_and_are_not_made_unless_they_are_shown() -> None:
    made = []

    def details() -> dict[str, object]:
        made.append(1)
        return {"MessageId": "m", "DequeueCount": 3}

    event = TriggerEvent(kind="queue", details=details)
    assert said(lambda observer: run(observer, event), "info") == []
    assert made == []
    assert said(lambda observer: run(observer, event))[1] == "Trigger Details: MessageId: m, DequeueCount: 3"


@pytest.mark.parametrize("status", [Status.FAILED, Status.TIMED_OUT])
def test_a_failure_is_shown_without_details_too(status: Status) -> None:
    error = ErrorInfo("ValueError", "no", "Traceback\n  line\nValueError: no\n")
    lines = said(lambda observer: observer.ended(_run(), outcome(status, error)), "info")
    assert lines[0] == f"ERROR Executed 'Functions.Work' (Failed, Id={ID}, Duration=1234ms)"
    assert lines[-1].endswith("ValueError: no")


def test_what_a_client_did_wrong_is_a_warning() -> None:
    error = ErrorInfo("RequestError", "id: Field required")
    lines = said(lambda observer: observer.ended(_run(), outcome(Status.FAILED, error)), "info")
    assert lines[0] == f"WARNING Executed 'Functions.Work' (Failed, Id={ID}, Duration=1234ms)"
    assert [line.strip() for line in lines[1:]] == ["RequestError: id: Field required"]


def test_an_interruption_is_a_warning() -> None:
    lines = said(lambda observer: observer.ended(_run(), outcome(Status.INTERRUPTED)), "info")
    assert lines == ["WARNING Interrupted 'Functions.Work': the host is stopping"]


def test_a_result_that_came_too_late_is_a_warning() -> None:
    lines = said(lambda observer: observer.ended(_run(), outcome(Status.LOST_LEASE)), "info")
    assert lines[0] == f"WARNING Executed 'Functions.Work' (Lost, Id={ID}, Duration=1234ms)"


def test_a_further_attempt_is_announced() -> None:
    error = ErrorInfo("ValueError", "no")
    lines = said(lambda observer: observer.retrying(_run(), error, 1.5), "info")
    assert lines == ["WARNING ValueError: no; another attempt follows in 1.5 s."]


@pytest.mark.parametrize("key", ["Function", "Function__Work", "default"])
def test_host_json_hides_what_is_told_of_a_function(key: str) -> None:
    def all_of_it(observer: LogObserver) -> None:
        run(observer)
        observer.retrying(_run(), ErrorInfo("ValueError", "no"), 1.5)
        observer.ended(_run(), outcome(Status.INTERRUPTED))
        observer.ended(_run(), outcome(Status.FAILED))

    assert said(all_of_it, **{key: "None"}) == []
    assert len(said(all_of_it, **{key: "Information"})) == 6
    assert len(said(all_of_it, **{key: "Error"})) == 2


# -- workers


def _user(text: str, observer: LogObserver, **header: Any) -> None:
    observer.started(_run())
    observer.worker_said({"invocation": ID, **header}, text)


@pytest.mark.parametrize(("key", "shown"), [("Function__Work__User", False), ("Function__Other", True)])
def test_user_lines_have_the_category_of_their_function(key: str, shown: bool) -> None:
    lines = said(lambda observer: _user("hello", observer, level="info"), "info", **{key: "Error"})
    assert lines == (["hello"] if shown else [])


def test_user_lines_outside_of_any_run_have_that_of_the_console() -> None:
    def say(observer: LogObserver) -> None:
        observer.worker_said({"level": "info"}, "hello")

    assert said(say, "info", Function="None") == ["hello"]
    assert said(say, "info", **{"Host.Function.Console": "None"}) == []


def test_lines_of_the_machinery_are_details() -> None:
    def say(observer: LogObserver) -> None:
        _user("hello", observer, level="warning", logger="azure.functions.x", system=True)

    assert said(say, "info") == []
    assert said(say)[-1] == "hello"
    assert "hello" not in said(say, Worker="Error")


@pytest.mark.parametrize("stream", ["stdout", "stderr", "output"])
def test_printed_lines_with_the_prefix_are_details_and_those_around_them_are_not(stream: str) -> None:
    def say(observer: LogObserver) -> None:
        _user("before\nLANGUAGEWorkerConsoleLog inner\nafter", observer, stream=stream)

    assert said(say, "info") == ["before", "after"]
    assert said(say)[1:] == ["before", "inner", "after"]


def test_what_is_logged_with_the_prefix_is_the_users() -> None:
    lines = said(lambda observer: _user("LanguageWorkerConsoleLog x", observer, logger="app"), "info")
    assert lines == ["LanguageWorkerConsoleLog x"]
