"""The rich types of the package azure-functions, built straight from what an `invoke` frame says.

Nothing here imports the package before a function needs it: plain functions do without.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from .errors import LoadError, describe

#: Turns the header of an `invoke` frame and the content into an argument.
Build = Callable[[Mapping[str, Any], Any], Any]


def is_azure(kind: Any) -> bool:
    """Whether `kind` is a class of azure.functions, or derived from one."""
    bases = kind.__mro__ if isinstance(kind, type) else ()
    return any(base.__module__.split(".")[:2] == ["azure", "functions"] for base in bases)


def is_instance(value: object, name: str) -> bool:
    """Whether `value` is an ``azure.functions.<name>``; without the package nothing is."""
    return isinstance(value, getattr(sys.modules.get("azure.functions"), name, ()))


def accepts_input(binding_type: str, kind: type) -> bool:
    """Whether a trigger or input of that type can give an instance of `kind`, a class of azure.functions."""
    if binding_type not in _BUILDERS:
        return False
    converter = _converter(_BUILDERS[binding_type][0])
    return bool(converter and converter.check_input_type_annotation(kind))


def accepts_output(binding_type: str, kind: type) -> bool:
    """Whether an output of that type takes an instance of `kind`, a class of azure.functions."""
    converter = _converter(binding_type)
    check = getattr(converter, "check_output_type_annotation", None)
    return bool(check and check(kind))


def builder(binding_type: str, where: str) -> Build:
    """What makes the rich value of that trigger or input type. Raises `LoadError`."""
    try:
        return _BUILDERS[binding_type][1]()
    except ImportError as error:
        raise LoadError(
            f"{where} is to get a value of the package azure-functions, which cannot be imported "
            f"({describe(error)}). Add azure-functions to requirements.txt and install it, or annotate the "
            "parameter with a plain type such as str, bytes or dict."
        ) from None


def _converter(binding_type: str) -> Any:
    from azure.functions import get_binding_registry

    return get_binding_registry().get(binding_type)  # type: ignore[no-untyped-call]


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
    """One value for each name, as azure.functions knows headers: repeated ones stand in one line."""
    joined: dict[str, str] = dict(headers)
    if len(joined) < len(headers):
        joined.clear()
        for name, value in headers:
            separator = "; " if name == "cookie" else ", "
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

    return lambda header, content: InputStream(data=content, length=len(content))


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


#: By binding type: the type whose converter in azure.functions says which classes fit, and the maker.
_BUILDERS: dict[str, tuple[str, Callable[[], Build]]] = {
    "httpTrigger": ("httpTrigger", _http_request),
    "queueTrigger": ("queueTrigger", _queue_message),
    "blobTrigger": ("blobTrigger", _blob),
    "fileTrigger": ("blob", _file),
    "timerTrigger": ("timerTrigger", _timer),
    "blob": ("blob", _blob_input),
}
