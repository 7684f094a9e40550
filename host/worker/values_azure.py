"""The rich types of the package azure-functions, built straight from what an `invoke` frame says.

Nothing here imports the package before a function needs it: plain functions do without.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from .errors import LoadError, describe

#: Turns the header of an `invoke` frame and the content into an argument.
Build = Callable[[Mapping[str, Any], Any], Any]

#: The class that a parameter without an annotation gets, by the type of its binding.
RICH: Final = {
    "httpTrigger": "func.HttpRequest",
    "queueTrigger": "func.QueueMessage",
    "blobTrigger": "func.InputStream",
    "blob": "func.InputStream",
    "timerTrigger": "func.TimerRequest",
    "warmupTrigger": "azure.functions.warmup.WarmUpContext",
}


def stand_in(*own: type) -> None:
    """Let instances of these count as those of the package's abstract classes of the same names, such as
    `func.Context`, once user code has imported it."""
    package = sys.modules.get("azure.functions._abc")
    for kind in own:
        abstract = getattr(package, kind.__name__, None)
        if abstract is not None:
            abstract.register(kind)


def is_instance(value: object, name: str) -> bool:
    """Whether `value` is an ``azure.functions.<name>``; without the package nothing is."""
    return isinstance(value, getattr(sys.modules.get("azure.functions"), name, ()))


def builder(binding_type: str, where: str) -> Build:
    """What makes the rich value of that trigger or input type. Raises `LoadError`."""
    try:
        return _BUILDERS[binding_type]()
    except ImportError as error:
        raise LoadError(
            f"{where} needs the package azure-functions, which cannot be imported "
            f"({describe(error)}). Add azure-functions to requirements.txt and install it, or annotate the "
            "parameter with a plain type such as str, bytes or dict."
        ) from None


def _http_request() -> Build:
    from azure.functions.http import HttpRequest

    def build(header: Mapping[str, Any], content: bytes) -> Any:
        data = header["data"]
        return HttpRequest(
            method=data["method"],
            url=data["url"],
            headers=_joined(data["headers"]),
            params=data["query"],
            route_params=data["params"],
            body_type="bytes",
            body=content,
        )

    return build


def _joined(headers: list[list[str]]) -> dict[str, str]:
    """One value for each name, as azure.functions knows headers: repeated ones are joined as Azure's host does."""
    joined: dict[str, str] = dict(headers)
    if len(joined) < len(headers):
        joined.clear()
        for name, value in headers:
            separator = "; " if name == "cookie" else ","
            joined[name] = f"{joined[name]}{separator}{value}" if name in joined else value
    return joined


def _queue_message() -> Build:
    from azure.functions.queue import QueueMessage

    def build(header: Mapping[str, Any], content: bytes) -> Any:
        known = (header.get("metadata") or {}).get
        return QueueMessage(  # type: ignore[no-untyped-call]
            id=known("id"),
            body=content,
            dequeue_count=known("dequeueCount"),
            expiration_time=_moment(known("expirationTime")),
            insertion_time=_moment(known("insertionTime")),
            time_next_visible=_moment(known("nextVisibleTime")),
            pop_receipt=known("popReceipt"),
        )

    return build


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except (TypeError, ValueError):
        # A property of the message's own JSON may stand under this name.
        return None


def _blob() -> Build:
    from azure.functions.blob import InputStream

    def build(header: Mapping[str, Any], content: bytes) -> Any:
        data = header["data"]
        return InputStream(
            data=content,
            name=data["name"],
            uri=data.get("uri"),
            length=data.get("length"),
            blob_properties=data.get("properties"),
            metadata=data.get("metadata"),
        )

    return build


def _file() -> Build:
    from azure.functions.blob import InputStream

    return lambda header, content: InputStream(
        data=content, name=header["data"]["path"], length=header["data"].get("length")
    )


def _blob_input() -> Build:
    from azure.functions.blob import InputStream

    # Of an input, unlike of a trigger, Azure tells neither name nor length.
    return lambda header, content: InputStream(data=content)


def _warmup() -> Build:
    from azure.functions.warmup import WarmUpContext

    return lambda header, content: WarmUpContext()


def _timer() -> Build:
    from azure.functions.timer import TimerRequest

    def build(header: Mapping[str, Any], content: bytes) -> Any:
        data = header["data"]
        return TimerRequest(
            past_due=data.get("IsPastDue", False),
            schedule_status=data.get("ScheduleStatus"),
            schedule=data.get("Schedule"),
        )

    return build


_BUILDERS: dict[str, Callable[[], Build]] = {
    "httpTrigger": _http_request,
    "queueTrigger": _queue_message,
    "blobTrigger": _blob,
    "fileTrigger": _file,
    "timerTrigger": _timer,
    "warmupTrigger": _warmup,
    "blob": _blob_input,
}
