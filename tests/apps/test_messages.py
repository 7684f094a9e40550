"""What an author of decorated functions is told of mistakes: in the words of the script, with its lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from apps.serving import Host, serve
from e2e.running import funchost

_TIMERS = """\
import logging
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
logging.warning("said by the app")


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def tick(timer): ...
"""

_NO_HTTP = "Auth level is not applied to non http function app"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    yield from serve("messages", "v2", tmp_path_factory.mktemp("app"))


def line(host: Host, function: str, file: str = "function_app.py") -> int:
    """The line of the function's `def`."""
    lines = (host.root / file).read_text().splitlines()
    return next(number for number, text in enumerate(lines, 1) if f"def {function}(" in text)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("badcron.timer.schedule", "'whenever' is not a schedule."),
        ("reserved.req.route", "as on Azure, a route must not begin with admin or runtime."),
        ("second.req.route", "The route '/api/same' of 'second' is taken by 'first'"),
        ("forward.out.queueName", "'Not A Queue' is not a queue name"),
        ("durations.t.timeout", "'5 minutes' is not a duration; write it as hh:mm:ss or d.hh:mm:ss."),
        ("durations.retry.delayInterval", "'often' is not a duration; write it as hh:mm:ss or d.hh:mm:ss."),
    ],
)
def test_a_problem_has_the_line_of_the_def_and_the_names_of_the_script(
    host: Host, place: str, message: str
) -> None:
    function = place.partition(".")[0]

    (told,) = [text for text in host.log.splitlines() if f" {place}: " in text]
    assert told.startswith(f"error: function_app.py:{line(host, function)} {place}: ")
    assert message in told


def test_a_function_of_a_blueprint_is_placed_in_its_own_file(host: Host) -> None:
    there = line(host, "elsewhere", "parts/reports.py")

    assert f"error: parts/reports.py:{there} elsewhere.report.scanInterval: " in host.log


def test_a_misspelt_argument_is_told_with_the_nearest_one(host: Host) -> None:
    there = line(host, "forward")

    assert (
        f"warning: function_app.py:{there} forward.msg.conection: 'conection' is not a known key here and has no "
        "effect.\n       fix: Did you mean forward.msg.connection?\n"
    ) in host.log


def test_nothing_speaks_of_function_json_and_no_fix_says_the_same_again(host: Host) -> None:
    assert "function.json" not in host.log and "bindings" not in host.log
    assert "fix: Write it as hh:mm:ss" not in host.log


def test_a_parameter_with_another_name_is_told_how_to_get_it(host: Host) -> None:
    assert (
        f"The code of typo does not load: function_app.py:{line(host, 'typo')}: Parameter 'request' has no "
        "binding; the trigger is called 'req'. Rename the parameter, or write "
        'trigger_arg_name="request" in the decorator.\n'
    ) in host.log


def test_types_are_shown_as_the_script_writes_them_and_classes_of_errors_not_at_all(host: Host) -> None:
    assert host.get("/api/optional").status == 500

    host.wait_for("The function 'optional' is not loaded: function_app.py:")
    assert "The returned value cannot be Optional[func.HttpResponse]: " in host.log
    assert "azure.functions._http" not in host.log and "LoadError" not in host.log


@pytest.mark.parametrize(
    ("function", "why"), [("nothing", "The function returned None"), ("status", "must be a number from 200")]
)
def test_a_response_that_cannot_be_sent_is_told_with_its_invocation(
    host: Host, function: str, why: str
) -> None:
    assert host.get(f"/api/{function}").status == 500

    host.wait_for(
        re.compile(rf"\[{function} [0-9a-f]{{4}}-7[0-9a-f]{{3}}\] ERROR The response cannot be sent: .*{why}")
    )


def test_the_sdk_does_not_speak_of_auth_levels_unless_details_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text(_TIMERS)
    (tmp_path / "host.json").write_text('{"version": "2.0"}')

    listed = funchost("list", "--root", tmp_path).stderr.decode()
    assert "said by the app" in listed and _NO_HTTP not in listed
    with Host(tmp_path) as quiet:
        assert "said by the app" in quiet.log and _NO_HTTP not in quiet.log
    with Host(tmp_path, "--verbose") as detailed:
        detailed.wait_for(_NO_HTTP)
