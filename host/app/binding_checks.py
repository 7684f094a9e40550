"""What the fields of the built-in bindings have to fulfil beyond their types: names, paths, durations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from ...bindings.entity import is_key, table_name
from ...bindings.errors import BindingError, ConfigurationError, FunchostError
from ...bindings.expressions import Template
from ...bindings.filter_template import FilterTemplate
from ...bindings.names import blob_path, blobs_path, container_name
from ...bindings.ordering import checked_id, checked_priority
from ...bindings.patterns import FilePattern, PathPattern
from ...bindings.storage import BLOBS, QUEUES, TABLES
from ...bindings.storages import storage_type
from ...bindings.time_span import parse_time_span
from ...triggers.descriptor import Binding
from ..config.jsonc import KeyPath
from ..config.report import Report

#: Bindings that lead to a storage, and what they ask it for.
STORED: Mapping[str, str] = {
    "queueTrigger": QUEUES,
    "queue": QUEUES,
    "blobTrigger": BLOBS,
    "blob": BLOBS,
    "table": TABLES,
}


def check_binding(
    kind: str,
    fields: Mapping[str, Any],
    report: Report,
    path: KeyPath,
    storage: str = "embedded",
    *,
    many: bool = False,
) -> dict[str, Any]:
    """The fields of a binding of type `kind` as they count (queue names in lower case); tells what cannot be.

    `storage` is the kind of its connection: each has rules of its own for the names of queues. `many`: it brings
    several values, so that the path of a blob input is not that of one blob.
    """
    rule = storage_type(storage).queue_name
    checks: dict[str, Callable[[str, Any], Any]] = {
        **_CHECKS,
        "queueName": lambda kind, text: _queue_name(kind, text, rule),
        "poisonQueueName": lambda kind, text: rule(text),
    }
    if kind in _PATHS:
        checks["path"] = _blobs_path if kind == "blob" and many else _PATHS[kind]
    checked = dict(fields)
    for key in [each for each in checked if each in checks]:
        try:
            checked[key] = checks[key](kind, checked[key])
        except FunchostError as error:
            report.error((*path, key), str(error), _FIXES.get(key))
    return checked


def check_cardinality(binding: Binding, report: Report, path: KeyPath) -> None:
    """Tell of an output that cannot be several blobs."""
    if binding.type == "blob" and binding.direction == "out" and binding.cardinality == "many":
        report.error(
            (*path, "cardinality"),
            "An output is one blob, not many.",
            "Remove it; a function that writes several blobs has an output for each.",
        )


def _queue_name(kind: str, text: str, by_rule: Callable[[str], str]) -> str:
    template = Template.parse(text)
    if template.is_literal:
        return by_rule(text)
    if kind == "queueTrigger":
        raise ConfigurationError(
            "The queue of a trigger cannot depend on an event; only %SETTING% can be filled in."
        )
    return text


def _table_name(kind: str, text: str) -> str:
    if Template.parse(text).is_literal:
        table_name(text)
    return text


def _table_key(kind: str, text: str) -> str:
    if Template.parse(text).is_literal and not is_key(text):
        raise ConfigurationError(
            r"A key has at most 1 KiB, and contains none of / \ # ? and no control characters."
        )
    return text


def _filter(kind: str, text: str) -> str:
    if text:
        FilterTemplate(text)
    return text


def _trigger_path(kind: str, text: str) -> str:
    PathPattern.parse(text)
    return text


def _file_path(kind: str, text: str) -> str:
    FilePattern.parse(text)
    return text


def _blobs_path(kind: str, text: str) -> str:
    if "://" in text:
        raise BindingError("An address cannot be used as a path; write container or container/prefix.")
    container, _, prefix = text.partition("/")
    if "*" in prefix:
        raise BindingError(
            f"'{text}': there are no patterns here, a prefix is how names begin. Write {text.partition('*')[0]}, and "
            "leave out other blobs in the function."
        )
    if Template.parse(text).is_literal:
        blobs_path(text)
    elif Template.parse(container).is_literal:
        container_name(container)
    if ".." in prefix.split("/"):
        raise BindingError(f"'{text}' leads out of its container; remove the '..'.")
    return text


def _blob_path(kind: str, text: str) -> str:
    if "://" in text:
        raise BindingError("The address of a blob cannot be used as its path; write container/name.")
    container, slash, name = text.partition("/")
    if Template.parse(text).is_literal:
        blob_path(text)
    elif not slash or not name:
        raise BindingError(f"'{text}' is not the path of a blob; write container/name.")
    elif Template.parse(container).is_literal:
        container_name(container)
    if ".." in name.split("/"):
        raise BindingError(f"'{text}' leads out of its container; remove the '..'.")
    return text


def _duration(kind: str, value: str | int) -> str | int:
    if str(value).strip() == "-1":
        raise ConfigurationError('-1 cannot be used here; write a duration, such as "00:00:30".')
    if isinstance(value, int):
        raise ConfigurationError(f'{value} is not a duration; write it in quotes, such as "00:00:30".')
    if parse_time_span(value) < timedelta(0):
        raise ConfigurationError(f"The duration {value} is negative.")
    return value


def _scan_interval(kind: str, value: str | int) -> str | int:
    if kind == "blobTrigger" and str(value).strip() == "-1":
        return value  # its trigger knows whether it has something else to go by
    if parse_time_span(str(_duration(kind, value))) < timedelta(milliseconds=100):
        raise ConfigurationError("The time between two scans is at least 00:00:00.1.")
    return value


def _id(kind: str, text: str) -> str:
    if Template.parse(text).is_literal:
        checked_id(text, "id")
    return text


def _text(kind: str, text: str) -> str:
    Template.parse(text)
    return text


def _priority(kind: str, value: str | int) -> str | int:
    if isinstance(value, int) or Template.parse(value).is_literal:
        return checked_priority(value, "an output")
    return value


def _time_to_live(kind: str, value: str | int) -> str | int:
    return value if str(value).strip() == "-1" else _duration(kind, value)


_PATHS: Mapping[str, Callable[[str, str], str]] = {
    "blobTrigger": _trigger_path,
    "fileTrigger": _file_path,
    "blob": _blob_path,
}
_CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "tableName": _table_name,
    "partitionKey": _table_key,
    "rowKey": _table_key,
    "filter": _filter,
    "scanInterval": _scan_interval,
    "visibilityDelay": _duration,
    "timeToLive": _time_to_live,
    "sessionId": _id,
    "dedupId": _id,
    "priority": _priority,
    "replyTo": _text,
    "correlationId": _text,
}
#: Where the errors themselves do not say what to do.
_FIXES: Mapping[str, str] = {
    "queueName": "Use a name such as new-orders.",
    "tableName": "Use a name such as Orders.",
    "partitionKey": "Use a key such as orders, or {id} for one that comes with the event.",
    "rowKey": "Use a key such as 2026-03, or {id} for one that comes with the event.",
    "filter": "Write it in OData, such as Age ge 18 and Name ne '{name}'.",
    "poisonQueueName": "Use a name such as orders-given-up.",
}
