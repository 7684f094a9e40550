"""One invocation as a worker is given it, what it answers, and the ways in which there is no answer."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from pathlib import Path
from typing import Any

import msgspec

from ...bindings.errors import FunchostError
from ...triggers.base import ErrorInfo
from ...triggers.descriptor import Binding, FunctionDescriptor
from ..worker.protocol import split
from .frames import Header


class WorkerLost(FunchostError):
    """The worker process ended while it ran this invocation."""

    def __init__(self, reason: str, *, guilty: bool, stopped: bool = False) -> None:
        super().__init__(reason)
        #: Whether this invocation is known to have ended the process.
        self.guilty = guilty
        #: Whether the host ended the process because it is stopping or reloading.
        self.stopped = stopped


class InvocationTimeout(FunchostError):
    """The function ran past its timeout."""


class WorkerStartError(FunchostError):
    """The worker process did not start."""


class IndexFailed(FunchostError):
    """The script that defines the app's functions cannot be read."""

    def __init__(self, error: ErrorInfo) -> None:
        super().__init__(error.message)
        self.error = error


class Call(msgspec.Struct):
    """One invocation for a worker."""

    #: The header of its `invoke` frame; `id` is filled in by the worker it goes to.
    header: dict[str, Any]
    body: tuple[bytes, ...] = ()
    stream: AsyncIterable[bytes] | None = None
    #: Seconds; None means no limit.
    timeout: float | None = None
    #: Told how the invocation can be cancelled, once it runs.
    on_cancel: Callable[[Callable[[], None]], None] | None = None
    #: Told how it can be ended for good, by the end of its worker if it does not let itself be cancelled.
    on_abort: Callable[[Callable[[], None]], None] | None = None
    #: The process id of the worker that it was sent to, and which state of the function's code that has.
    worker: int | None = None
    code: str | None = None
    #: Told what the function says of itself: how far it is (0 to 1, or None), and a JSON value.
    on_progress: Callable[[float | None, Any], None] | None = None


class Result(msgspec.Struct, kw_only=True):
    """What a worker answered."""

    kind: str
    data: dict[str, Any]
    body: bytes | AsyncIterable[bytes]
    #: Name, kind and content of each output binding that was given a value.
    outputs: list[tuple[str, str, bytes]]
    error: ErrorInfo | None
    wrote: list[str]


def read_result(header: Header, body: bytes, stream: AsyncIterable[bytes] | None = None) -> Result:
    """What a `result` frame says; `stream` is the content where it follows in pieces.

    Raises `KeyError` and `ValueError` for one that says too little, or contradicts itself.
    """
    outputs: list[tuple[str, str, bytes]] = []
    if "outputs" in header:
        body, *contents = split(body, header["sizes"])
        named = zip(header["outputs"], contents, strict=True)
        outputs = [(entry["name"], entry["kind"], content) for entry, content in named]
    error = header.get("error")
    return Result(
        kind=header["kind"],
        data=header.get("data", {}),
        body=body if stream is None else stream,
        outputs=outputs,
        error=ErrorInfo(**error) if error else None,
        wrote=header.get("wrote", []),
    )


def describe_function(function: FunctionDescriptor) -> dict[str, Any]:
    """The function as a `load` frame names it."""
    return {
        "name": function.name,
        "directory": str(function.directory),
        "scriptFile": str(function.script_file),
        "entryPoint": function.entry_point,
        "decorated": function.decorated,
        "trigger": _describe_binding(function.trigger),
        "bindings": [_describe_binding(binding) for binding in function.bindings],
    }


def watched_folders(function: FunctionDescriptor, root: Path) -> list[str]:
    """The folders in which writes of functions are to be told, for this function: that of a file trigger."""
    if function.trigger.type != "fileTrigger":
        return []
    from ...triggers.file_place import FilePlace  # only apps with a file trigger need it

    try:
        return [FilePlace(function.trigger.fields["path"], root).root]
    except FunchostError:
        return []


def _describe_binding(binding: Binding) -> dict[str, Any]:
    return {
        "type": binding.type,
        "name": binding.name,
        "direction": binding.direction,
        "dataType": binding.data_type,
        "cardinality": binding.cardinality,
        "storage": binding.storage,
        "fields": binding.fields,
    }
