"""The invocation context."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from funchost.host.worker.context import Context, RetryContext, TraceContext
from funchost.host.worker.values_azure import stand_in
from funchost.host.worker.values_output import Out


def make(**header: Any) -> Context:
    return Context({"invocation": "i-1", **header}, "orders", "/app/orders")


def test_it_says_which_function_runs_for_which_invocation() -> None:
    context = make()
    assert (context.invocation_id, context.function_name, context.function_directory) == (
        "i-1",
        "orders",
        "/app/orders",
    )


def test_the_trace_is_there_under_new_and_old_names() -> None:
    trace = make(trace={"parent": "00-a-b-01", "state": "k=v"}).trace_context
    assert (trace.trace_parent, trace.trace_state, trace.attributes) == ("00-a-b-01", "k=v", {})
    assert (trace.Traceparent, trace.Tracestate) == ("00-a-b-01", "k=v")
    trace.attributes["a"] = "b"
    assert trace.Attributes == {"a": "b"}


def test_without_a_trace_its_texts_are_empty() -> None:
    assert make().trace_context.trace_parent == ""
    assert make(trace={"parent": "p", "state": None}).trace_context.trace_state == ""


def test_the_trace_of_one_invocation_is_one_object() -> None:
    context = make()
    assert context.trace_context is context.trace_context


def test_retries_are_counted() -> None:
    error = {"type": "ValueError", "message": "no", "traceback": "Traceback ..."}
    retry = make(retry={"count": 2, "max": 5, "error": error}).retry_context
    assert (retry.retry_count, retry.max_retry_count) == (2, 5)
    assert retry.exception
    assert (retry.exception.source, retry.exception.message) == ("ValueError", "no")
    assert retry.exception.stack_trace == "Traceback ..."


def test_without_a_retry_policy_the_counts_are_zero() -> None:
    retry = make().retry_context
    assert (retry.retry_count, retry.max_retry_count) == (0, 0)


def test_without_a_failed_attempt_the_exception_is_empty() -> None:
    exception = make().retry_context.exception
    assert not exception
    assert (exception.source, exception.message, exception.stack_trace) == ("", "", "")


def test_it_counts_as_the_context_of_the_package_once_that_is_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "azure.functions._abc", raising=False)
        stand_in(Context)
    import azure.functions as func
    from azure.functions import _abc

    for _ in range(2):
        stand_in(Context, TraceContext, RetryContext, Out)
    context = make()
    assert isinstance(context, func.Context)
    assert isinstance(context.trace_context, _abc.TraceContext)
    assert isinstance(context.retry_context, _abc.RetryContext)
    assert isinstance(Out(), func.Out)


def test_the_fence_of_a_singleton_is_shown() -> None:
    assert make(fence=7).fence == 7
    assert make().fence is None


def test_metadata_holds_what_is_known_of_the_event() -> None:
    context = make(data={"path": "in/a.csv", "change": "created"}, metadata={"name": "a"})
    assert context.metadata == {"path": "in/a.csv", "change": "created", "name": "a"}
    assert make().metadata == {}


def test_it_is_not_cancelled_until_it_is() -> None:
    context, other = make(), make()
    context.cancelled.set()
    assert context.cancelled.is_set()
    assert not other.cancelled.is_set()


def test_the_thread_local_storage_is_shared_and_knows_the_invocation_of_its_thread() -> None:
    context = make()
    seen: list[str] = []

    def other() -> None:
        assert not hasattr(context.thread_local_storage, "invocation_id")
        seen.append(make(invocation="i-2").thread_local_storage.invocation_id)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen == ["i-2"]
    assert context.thread_local_storage.invocation_id == "i-1"
    assert make().thread_local_storage is context.thread_local_storage
