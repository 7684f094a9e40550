"""How each function is run, and what says so: the function itself, host.json, or nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ...bindings.time_span import format_time_span
from ...triggers.descriptor import FunctionDescriptor, Policy, RetryPolicy, RetryStrategy, SingletonPolicy
from ...triggers.registry import TRIGGER_TYPES
from ..app.policy import PolicyFields
from ..config.host_json import HostJsonRead
from ..config.jsonc import KeyPath
from ..config.report import Report
from .config_origin import BY_DEFAULT, DEFAULT, ENVIRONMENT, FILE, Origin, Settings, host_json_origin
from .doctor.look import Look

_QUEUES: KeyPath = ("extensions", "queues")
_BLOBS: KeyPath = ("extensions", "blobs")
#: Triggers whose internal queue goes by the settings of blobs.
_ON_CHANGES = frozenset({"blobTrigger", "fileTrigger"})

#: Where host.json says what a function does not, by the function's key; the first that is there counts.
_ABOVE: Mapping[str, tuple[KeyPath, ...]] = {
    "retry": (("retry", "strategy"), ("retry", "maxRetryCount")),
    "timeout": (("functionTimeout",),),
    "history": (("history", "record"),),
    "batchSize": ((*_QUEUES, "batchSize"),),
    "newBatchThreshold": ((*_QUEUES, "newBatchThreshold"), (*_QUEUES, "batchSize")),
    "maxDequeueCount": ((*_QUEUES, "maxDequeueCount"),),
    "visibilityTimeout": ((*_QUEUES, "visibilityTimeout"),),
    "maxPollingInterval": ((*_QUEUES, "maxPollingInterval"),),
}
_ABOVE_ON_CHANGES: Mapping[str, tuple[KeyPath, ...]] = {
    **_ABOVE,
    "batchSize": ((*_BLOBS, "maxDegreeOfParallelism"),),
    "newBatchThreshold": ((*_BLOBS, "maxDegreeOfParallelism"),),
    "maxDequeueCount": ((*_BLOBS, "poisonBlobThreshold"),),
    "visibilityTimeout": (),
}
#: What else of the function's own keys decides about one.
_OWN = {"newBatchThreshold": ("newBatchThreshold", "batchSize")}


def function_values(
    function: FunctionDescriptor, look: Look, read: HostJsonRead, settings: Settings
) -> Iterator[tuple[str, Any, Origin]]:
    """Each policy of the function with its value and its origin, as far as it has a meaning for its trigger."""
    report = next((each for each in look.definitions if each.function == function.name), None)
    said = _said(report) if report else {}
    above = _ABOVE_ON_CHANGES if function.trigger.type in _ON_CHANGES else _ABOVE
    yield "disabled", function.disabled, _disabled(function, said, settings)
    for key, value in policy_values(function.policy).items():
        if key not in _meant(function):
            continue
        own = next((said[each] for each in _OWN.get(key, (key,)) if each in said), None)
        yield key, value, own or _of_host(above.get(key, ()), read, settings)


def policy_values(policy: Policy) -> dict[str, Any]:
    """A policy by the keys of a function.json, as JSON."""
    queue = policy.queue
    return {
        "retry": _retry(policy.retry),
        "singleton": _singleton(policy.singleton),
        "timeout": "-1" if policy.timeout is None else format_time_span(policy.timeout),
        "concurrency": policy.concurrency,
        "history": policy.history.value,
        "batchSize": queue.batch_size,
        "newBatchThreshold": queue.new_batch_threshold,
        "maxDequeueCount": queue.max_dequeue_count,
        "visibilityTimeout": format_time_span(queue.visibility_timeout),
        "maxPollingInterval": format_time_span(queue.max_polling_interval),
        "poisonQueueName": queue.poison_queue,
    }


def _meant(function: FunctionDescriptor) -> set[str]:
    """The policies that mean something on its trigger."""
    of_queues = {"batchSize", "newBatchThreshold", "maxDequeueCount", "visibilityTimeout"}
    of_queues |= {"maxPollingInterval", "poisonQueueName"}
    model = TRIGGER_TYPES.get(function.trigger.type)
    fields = set(model.__struct_fields__) if model else set()
    every = {each.name for each in msgspec.structs.fields(PolicyFields)}
    return every - of_queues | (fields & of_queues)


def _said(report: Report) -> dict[str, Origin]:
    """The policies that a definition says, at its top or on its trigger, with the place of each."""
    document = report.document.value if isinstance(report.document.value, dict) else {}
    known = {each.name.lower(): each.name for each in msgspec.structs.fields(PolicyFields)}
    known["disabled"] = "disabled"
    places: dict[str, KeyPath] = {}
    for around, value in [*_triggers(document), ((), document)]:
        places |= {known[key.lower()]: (*around, key) for key in value if key.lower() in known}
    return {
        name: Origin(kind=FILE, file=report.file, line=report.line_of(path), key=report.named(path))
        for name, path in places.items()
    }


def _triggers(document: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    entries = next((value for key, value in document.items() if key.lower() == "bindings"), None)
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict) and str(entry.get("type", "")).lower().endswith("trigger"):
            yield ("bindings", index), entry


def _of_host(paths: tuple[KeyPath, ...], read: HostJsonRead, settings: Settings) -> Origin:
    origins = (host_json_origin(read, settings, path) for path in paths)
    return next((origin for origin in origins if origin.kind in (FILE, ENVIRONMENT)), BY_DEFAULT)


def _disabled(function: FunctionDescriptor, said: Mapping[str, Origin], settings: Settings) -> Origin:
    for name in (f"AzureWebJobs.{function.name}.Disabled", f"AzureWebJobs_{function.name}_Disabled"):
        if settings.text(name):
            return settings.origin(name)
    return said.get("disabled", Origin(kind=DEFAULT))


def _retry(policy: RetryPolicy | None) -> dict[str, Any] | None:
    if policy is None:
        return None
    document: dict[str, Any] = {
        "strategy": policy.strategy.value,
        "maxRetryCount": policy.max_retry_count,
    }
    if policy.strategy is RetryStrategy.FIXED_DELAY:
        return document | {"delayInterval": format_time_span(policy.delay_interval)}
    return document | {
        "minimumInterval": format_time_span(policy.minimum_interval),
        "maximumInterval": format_time_span(policy.maximum_interval),
    }


def _singleton(policy: SingletonPolicy | None) -> dict[str, Any] | None:
    if policy is None:
        return None
    waits = policy.acquisition_timeout
    return {
        "mode": policy.mode.value,
        "scope": policy.scope,
        "lockAcquisitionTimeout": "-1" if waits is None else format_time_span(waits),
        "lockAcquisitionPollingInterval": format_time_span(policy.acquisition_interval),
    }
