"""What the fields of the built-in bindings have to fulfil beyond their types: names, paths, durations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from ...bindings.entity import is_key, table_name
from ...bindings.errors import BindingError, ConfigurationError, FunchostError
from ...bindings.expressions import Template
from ...bindings.filter_template import FilterTemplate
from ...bindings.names import blob_path, container_name, queue_name, sqs_queue_name
from ...bindings.patterns import FilePattern, PathPattern
from ...bindings.time_span import parse_time_span
from ..config.jsonc import KeyPath
from ..config.report import Report

#: Bindings that lead to a queue, blob or table store.
STORED = frozenset({"queueTrigger", "queue", "blobTrigger", "blob", "table"})

#: Those of them that lead to a queue.
QUEUES = frozenset({"queueTrigger", "queue"})


def check_binding(
    kind: str, fields: Mapping[str, Any], report: Report, path: KeyPath, storage: str = "embedded"
) -> dict[str, Any]:
    """The fields of a binding of type `kind` as they count (queue names in lower case); tells what cannot be.

    `storage` is the kind of its connection: queues of AWS have names by other rules.
    """
    checks = {**_CHECKS, "path": _PATHS[kind]} if kind in _PATHS else _CHECKS
    if storage == "aws" and kind in QUEUES:
        checks = {**checks, **_SQS_CHECKS}
    checked = dict(fields)
    for key in [each for each in checked if each in checks]:
        try:
            checked[key] = checks[key](kind, checked[key])
        except FunchostError as error:
            report.error((*path, key), str(error), _FIXES.get(key))
    return checked


def _queue_name(kind: str, text: str, by_rule: Callable[[str], str] = queue_name) -> str:
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
    if parse_time_span(str(_duration(kind, value))) < timedelta(milliseconds=100):
        raise ConfigurationError("The time between two scans is at least 00:00:00.1.")
    return value


def _time_to_live(kind: str, value: str | int) -> str | int:
    return value if str(value).strip() == "-1" else _duration(kind, value)


_PATHS: Mapping[str, Callable[[str, str], str]] = {
    "blobTrigger": _trigger_path,
    "fileTrigger": _file_path,
    "blob": _blob_path,
}
_CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "queueName": _queue_name,
    "tableName": _table_name,
    "partitionKey": _table_key,
    "rowKey": _table_key,
    "filter": _filter,
    "poisonQueueName": lambda kind, text: queue_name(text),
    "scanInterval": _scan_interval,
    "visibilityDelay": _duration,
    "timeToLive": _time_to_live,
}
_SQS_CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "queueName": lambda kind, text: _queue_name(kind, text, sqs_queue_name),
    "poisonQueueName": lambda kind, text: sqs_queue_name(text),
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
