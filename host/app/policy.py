"""How a function is run: what its function.json says, over what host.json says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeVar

from msgspec import Meta, Struct

from ...triggers.descriptor import (
    HistoryMode,
    Policy,
    QueuePolicy,
    SingletonMode,
    SingletonPolicy,
)
from ..config.checker import Span
from ..config.host_models import HostJson, RetryFields
from ..config.retry import retry_policy

_T = TypeVar("_T")


class SingletonFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run at a time, on all hosts of a store together (funchost)."""

    mode: Annotated[
        Literal["function", "listener"],
        Meta(description="Guard each run, or have only one host listen."),
    ] = "function"
    scope: Annotated[
        str | None, Meta(description="Expression such as {customerId}: one lock for each value it takes.")
    ] = None
    lockAcquisitionTimeout: Annotated[
        timedelta | None,
        Meta(
            description="How long a run waits for its lock before it fails; -1: for ever; default as in host.json.",
            extra={"span": Span(timedelta(milliseconds=1), unlimited=True)},
        ),
    ] = None
    lockAcquisitionPollingInterval: Annotated[
        timedelta | None,
        Meta(
            description="How often it tries again, at least 0.5 s.",
            extra={"span": Span(timedelta(seconds=0.5))},
        ),
    ] = None


class PolicyFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a function says of how it is run; absent means that host.json decides."""

    retry: Annotated[RetryFields | None, Meta(description="Attempts inside one delivery.")] = None
    singleton: Annotated[bool | SingletonFields | None, Meta(description="One run at a time (funchost).")] = (
        None
    )
    timeout: Annotated[
        timedelta | None,
        Meta(
            description="How long a run may take; -1 means no limit (funchost).",
            extra={"span": Span(timedelta(milliseconds=1), unlimited=True)},
        ),
    ] = None
    concurrency: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Runs at a time on one host (funchost).")
    ] = None
    history: Annotated[
        Literal["all", "failures", "none"] | None,
        Meta(description="Which runs are kept in the history; default as in host.json (funchost)."),
    ] = None
    batchSize: Annotated[
        Annotated[int, Meta(ge=1, le=32)] | None, Meta(description="Messages fetched by one poll (funchost).")
    ] = None
    newBatchThreshold: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Poll again once no more than this many run; default half of batchSize (funchost)."),
    ] = None
    maxDequeueCount: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Deliveries before a message is poison (funchost)."),
    ] = None
    visibilityTimeout: Annotated[
        timedelta | None,
        Meta(
            description="Delay before a failed message is delivered again (funchost).", extra={"span": Span()}
        ),
    ] = None
    maxPollingInterval: Annotated[
        timedelta | None,
        Meta(
            description="Longest wait between two polls of an empty queue, at least 100 ms (funchost).",
            extra={"span": Span(timedelta(milliseconds=100), milliseconds=True)},
        ),
    ] = None
    poisonQueueName: Annotated[
        str | None, Meta(description="Where given-up messages go; default <queue>-poison (funchost).")
    ] = None


def policy_of(
    said: Mapping[str, Any], fields: PolicyFields, host_json: HostJson, trigger: str, development: bool
) -> Policy:
    """The policy of a function with this trigger; `said` are the keys that the function itself gave.

    Raises `ConfigurationError` with the key that contradicts another.
    """
    retry = fields.retry or host_json.retry
    return Policy(
        retry=retry_policy(retry) if retry else None,
        singleton=_singleton(said.get("singleton"), fields.singleton, host_json),
        timeout=fields.timeout if "timeout" in said else host_json.functionTimeout,
        concurrency=fields.concurrency,
        history=HistoryMode(fields.history or host_json.history.record),
        queue=_queue(fields, host_json, trigger, development),
    )


def _singleton(
    said: Any, fields: bool | SingletonFields | None, host_json: HostJson
) -> SingletonPolicy | None:
    if not fields:
        return None
    own = fields if isinstance(fields, SingletonFields) else SingletonFields()
    defaults = host_json.singleton
    waits = isinstance(said, Mapping) and "lockAcquisitionTimeout" in said
    return SingletonPolicy(
        mode=SingletonMode(own.mode),
        scope=own.scope,
        acquisition_timeout=own.lockAcquisitionTimeout if waits else defaults.lockAcquisitionTimeout,
        acquisition_interval=own.lockAcquisitionPollingInterval or defaults.lockAcquisitionPollingInterval,
    )


def _queue(fields: PolicyFields, host_json: HostJson, trigger: str, development: bool) -> QueuePolicy:
    on_changes = trigger.lower() in ("blobtrigger", "filetrigger")
    base = _changes_defaults(host_json) if on_changes else _queue_defaults(host_json)
    idle = timedelta(seconds=2) if development else timedelta(minutes=1)
    own_half = None if fields.batchSize is None else fields.batchSize // 2
    threshold = _first(
        fields.newBatchThreshold,
        None if on_changes else host_json.extensions.queues.newBatchThreshold,
        own_half,
        base.new_batch_threshold,
    )
    return QueuePolicy(
        batch_size=_first(fields.batchSize, base.batch_size),
        new_batch_threshold=threshold,
        max_dequeue_count=_first(fields.maxDequeueCount, base.max_dequeue_count),
        visibility_timeout=_first(fields.visibilityTimeout, base.visibility_timeout),
        max_polling_interval=_first(
            fields.maxPollingInterval, host_json.extensions.queues.maxPollingInterval, idle
        ),
        poison_queue=fields.poisonQueueName,
    )


def _queue_defaults(host_json: HostJson) -> QueuePolicy:
    queues = host_json.extensions.queues
    return QueuePolicy(
        batch_size=queues.batchSize,
        new_batch_threshold=queues.batchSize // 2,
        max_dequeue_count=queues.maxDequeueCount,
        visibility_timeout=queues.visibilityTimeout,
    )


def _changes_defaults(host_json: HostJson) -> QueuePolicy:
    """The internal queue of a blob or file function, as Azure derives it from host.json's blobs (section 6.4)."""
    blobs = host_json.extensions.blobs
    together = blobs.maxDegreeOfParallelism or 8 * (os.cpu_count() or 1)
    batch = min(32, together // 2 + 1)
    return QueuePolicy(
        batch_size=batch,
        new_batch_threshold=max(0, together - batch),
        max_dequeue_count=blobs.poisonBlobThreshold,
    )


def _first(*values: _T | None) -> _T:
    """The first value that is given; the last one always is."""
    return next(value for value in values if value is not None)
