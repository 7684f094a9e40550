"""What people and tools are shown of a run."""

from __future__ import annotations

from typing import Any

import pytest
from fakes import make_function, make_outcome

from funchost.host.execution.outcome import outcome_document, unsent_document
from funchost.triggers.base import ErrorInfo, Outcome, Status, Unsent
from funchost.triggers.descriptor import Binding


@pytest.mark.parametrize(
    ("kind", "content", "shown"),
    [
        ("json", b'{"id":1}', {"value": {"id": 1}}),
        ("text", b'{"id":1}', {"value": '{"id":1}'}),
        ("bytes", b"plain", {"value": "plain"}),
        ("bytes", b"\xff\x00", {"valueBase64": "/wA="}),
    ],
)
def test_what_was_not_sent_is_shown_as_it_was_given(kind: str, content: bytes, shown: dict[str, Any]) -> None:
    document = unsent_document(Unsent("doc", "cosmosDB", kind, content))

    assert document == {"name": "doc", "type": "cosmosDB", **shown}


RESPONSE = Binding(type="http", name="$return", direction="out")


@pytest.mark.parametrize(
    ("outcome", "answer"),
    [
        (
            make_outcome(kind="http", header={"status": 404, "headers": [["X-A", "1"], ["X-A", "2"]]}),
            {"status": 404, "headers": (("X-A", "1"), ("X-A", "2"))},
        ),
        (
            make_outcome(kind="json", body=b'{"status": 418, "body": "tea"}'),
            {"status": 418, "headers": (("Content-Type", "text/plain; charset=utf-8"),)},
        ),
        (make_outcome(kind="http", header={"status": "x"}), {"status": 500, "headers": ()}),
        (make_outcome(), {"status": 500, "headers": ()}),
        (make_outcome(Status.FAILED, ErrorInfo("ValueError", "no")), {"status": 500, "headers": ()}),
        (
            make_outcome(Status.FAILED, ErrorInfo("RequestError", "no")),
            {"status": 400, "headers": (("Content-Type", "text/plain; charset=utf-8"),)},
        ),
    ],
)
async def test_the_answer_of_an_http_function_is_shown_as_a_caller_gets_it(
    outcome: Outcome, answer: dict[str, Any]
) -> None:
    document = await outcome_document(outcome, make_function("httpTrigger", bindings=(RESPONSE,)))

    assert document["http"] == answer


async def test_other_functions_have_no_answer() -> None:
    assert "http" not in await outcome_document(make_outcome(), make_function())


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("LoadError", "It is wrong."),
        ("BindError", "It is wrong."),
        ("ValueError", "ValueError: It is wrong."),
        ("app.LoadError", "app.LoadError: It is wrong."),
    ],
)
def test_an_error_of_the_hosts_own_is_told_without_the_name_of_a_class(kind: str, text: str) -> None:
    assert str(ErrorInfo(kind, "It is wrong.")) == text
