"""The invocation context: what a function that has a parameter `context` gets."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

from .logs import current_invocation
from .progress import Progress, Tell


class ThreadLocalStorage(threading.local):
    """What each thread has of its own. `invocation_id` is the invocation that a thread works for, and what it logs
    belongs to: its own threads inherit it, and any thread may set it.

    It stands in the context of whoever sets it, so a thread of a pool does not take it along to its next work.
    """

    @property
    def invocation_id(self) -> str:
        """Raises `AttributeError` where the code that runs belongs to none."""
        found = current_invocation.get()
        if not found:
            raise AttributeError("This thread belongs to no invocation; set invocation_id.")
        return found

    @invocation_id.setter
    def invocation_id(self, invocation: str | None) -> None:
        current_invocation.set(str(invocation) if invocation else "")

    @invocation_id.deleter
    def invocation_id(self) -> None:
        current_invocation.set("")


#: One for the process, as the model wants it.
_THREAD_LOCAL: Final = ThreadLocalStorage()


class TraceContext:
    """The W3C trace context of whoever caused the invocation; empty texts where there is none."""

    def __init__(self, parent: str, state: str) -> None:
        self.trace_parent = parent
        self.trace_state = state
        self.attributes: dict[str, str] = {}

    @property
    def Traceparent(self) -> str:
        """The older name of `trace_parent`."""
        return self.trace_parent

    @property
    def Tracestate(self) -> str:
        """The older name of `trace_state`."""
        return self.trace_state

    @property
    def Attributes(self) -> dict[str, str]:
        """The older name of `attributes`."""
        return self.attributes


class RetryError:
    """Why the attempt before this one failed; empty texts, and false, where there was none."""

    def __init__(self, error: Mapping[str, str]) -> None:
        self.source = error.get("type", "")
        self.message = error.get("message", "")
        self.stack_trace = error.get("traceback", "")

    def __bool__(self) -> bool:
        return bool(self.source)


class RetryContext:
    """Which attempt of one delivery this is: `retry_count` is 0 for the first."""

    def __init__(self, retry: Mapping[str, Any]) -> None:
        self.retry_count: int = retry.get("count", 0)
        #: -1 means for ever; 0 also where the function has no retry policy.
        self.max_retry_count: int = retry.get("max", 0)
        #: Always there, so that its message can be looked at in a first attempt too.
        self.exception = RetryError(retry.get("error") or {})


class Context:
    """One invocation, from the header of its `invoke` frame. Made in the thread that runs the function."""

    #: How `progress` gets to the host.
    tell: Tell | None = None

    def __init__(self, header: Mapping[str, Any], function_name: str, function_directory: str) -> None:
        self._header = header
        self.invocation_id: str = header["invocation"]
        self.function_name = function_name
        self.function_directory = function_directory
        #: Set when the invocation should end early: its time is over, the caller is gone, or the host stops.
        self.cancelled = threading.Event()
        self.thread_local_storage = _THREAD_LOCAL
        _THREAD_LOCAL.invocation_id = self.invocation_id

    @property
    def fence(self) -> int | None:
        """The fencing number of the singleton lease held for this run; it grows from holder to holder."""
        return self._header.get("fence")

    @cached_property
    def trace_context(self) -> TraceContext:
        """The caller's trace, to be carried on."""
        trace = self._header.get("trace") or {}
        return TraceContext(trace.get("parent") or "", trace.get("state") or "")

    @cached_property
    def retry_context(self) -> RetryContext:
        """The attempts so far."""
        return RetryContext(self._header.get("retry") or {})

    def set_progress(self, progress: float, status: Any = None) -> None:
        """Report how far this run is, from 0 to 1, and if given a status as by `set_custom_status`.

        From any thread and as often as you like: about ten a second are passed on, the last one always. Raises
        `TypeError` or `ValueError` for what is no share of 1, or no JSON.
        """
        if status is None:
            self.progress.set(progress)
        else:
            self.progress.set(progress, status)

    def set_custom_status(self, status: Any) -> None:
        """Report a status of your own, shown beside the progress: up to 16 KiB of what JSON can hold; None for none.

        Raises `TypeError` or `ValueError` for anything else.
        """
        self.progress.set(status=status)

    @cached_property
    def progress(self) -> Progress:
        """What this run has said of itself."""
        return Progress(self.tell)

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """What is known of the event beside its content: a request's url and query, a file's path."""
        return {**(self._header.get("data") or {}), **(self._header.get("metadata") or {})}
