"""Makes at the emulator what functions name: their queues and buckets, and who is notified of what happens in these.

With an account somebody makes these once, and nothing of this is done there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...bindings.aws.errors import translated
from ...bindings.aws.session import in_thread
from ...bindings.aws.storage import AwsStorage
from ...bindings.errors import FunchostError, QueueMissing
from ...bindings.expressions import Template
from ...bindings.patterns import PathPattern
from ...bindings.storage import Storage
from ...triggers.descriptor import Binding, FunctionDescriptor

#: Where the storage of a connection is; None is the embedded one. May raise `ConfigurationError`.
StorageOf = Callable[[str], Storage | None]

#: A rule of a bucket: what is told to which queue, as S3 describes it.
Rule = dict[str, Any]

_EVENTS = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]

#: What the names of our own notification rules begin with; others are let be.
_RULE = "funchost-"

#: The bindings that name something which has to be there.
_TYPES = frozenset({"queueTrigger", "queue", "blobTrigger", "blob"})


async def provision(
    functions: Iterable[FunctionDescriptor], storage_of: StorageOf, report: Callable[[str], None]
) -> None:
    """Make what is missing; what is there stays as it is. Only connections to an emulator are looked at.

    `report` is told, for each function, what could not be made.
    """
    provisions = _Provisions()
    for function in functions:
        try:
            for binding in (function.trigger, *function.bindings):
                if binding.type in _TYPES:
                    storage = storage_of(binding.fields.get("connection") or "")
                    if isinstance(storage, AwsStorage) and storage.aws.emulated:
                        await provisions.make(storage, function.name, binding)
        except FunchostError as error:
            report(
                f"What the function '{function.name}' names could not all be made at the emulator: {error}"
            )


class _Provisions:
    """Makes each thing once, however many functions name it."""

    def __init__(self) -> None:
        self._made: set[tuple[AwsStorage, str]] = set()

    async def make(self, storage: AwsStorage, function: str, binding: Binding) -> None:
        fields = binding.fields
        if binding.type in ("queueTrigger", "queue"):
            await self._make_queue(storage, fields["queueName"])
            return
        container = fields["path"].partition("/")[0]
        if not Template.parse(container).is_literal:
            return
        await self._make_bucket(storage, container)
        if fields.get("source") == "notifications" and fields.get("notificationQueue"):
            queue = await self._make_queue(storage, fields["notificationQueue"])
            await _notify(storage, function, PathPattern.parse(fields["path"]), queue)

    async def _make_queue(self, storage: AwsStorage, name: str) -> str:
        """Returns its name at the emulator, which stays empty for one that depends on the event."""
        if not Template.parse(name).is_literal:
            return ""
        queue = f"{storage.aws.queue_prefix}{name}"
        if self._is_new(storage, f"queue {queue}"):
            try:
                await _call(storage, "sqs", "get_queue_url", QueueName=queue)
            except QueueMissing:
                fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
                attributes = fifo if queue.endswith(".fifo") else {}
                await _call(storage, "sqs", "create_queue", QueueName=queue, Attributes=attributes)
        return queue

    async def _make_bucket(self, storage: AwsStorage, container: str) -> None:
        bucket = storage.blobs().bucket(container)
        if self._is_new(storage, f"bucket {bucket}"):
            there = await _call(storage, "s3", "list_buckets")
            if bucket not in (each["Name"] for each in there.get("Buckets", ())):
                await storage.blobs().create_bucket(bucket)

    def _is_new(self, storage: AwsStorage, thing: str) -> bool:
        known = (storage, thing) in self._made
        self._made.add((storage, thing))
        return not known


async def _notify(storage: AwsStorage, function: str, pattern: PathPattern, queue: str) -> None:
    """Have the queue told of the blobs that begin as the pattern does."""
    bucket = storage.blobs().bucket(pattern.container)
    found = await _call(storage, "s3", "get_bucket_notification_configuration", Bucket=bucket)
    rules = {key: value for key, value in found.items() if key != "ResponseMetadata"}
    url = (await _call(storage, "sqs", "get_queue_url", QueueName=queue))["QueueUrl"]
    told = await _call(storage, "sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["QueueArn"])
    before = rules.get("QueueConfigurations", [])
    after = with_rule(before, f"{_RULE}{function}", told["Attributes"]["QueueArn"], pattern.prefix)
    if {*map(_key, after)} != {*map(_key, before)}:
        rules["QueueConfigurations"] = after
        await _call(
            storage,
            "s3",
            "put_bucket_notification_configuration",
            Bucket=bucket,
            NotificationConfiguration=rules,
        )


def with_rule(rules: list[Rule], name: str, queue: str, prefix: str) -> list[Rule]:
    """The rules of a bucket with one of that name that tells the queue of all keys with the prefix.

    The queue is told of each key once, as S3 demands: a rule of our own gives way to a wider one.
    """
    others = [rule for rule in rules if rule["Id"] != name]
    if any(rule["QueueArn"] == queue and _covers(rule, prefix) for rule in others):
        return others
    kept = [rule for rule in others if not (_is_own(rule, queue) and _prefix(rule).startswith(prefix))]
    filters = {"Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}}} if prefix else {}
    return [*kept, {"Id": name, "QueueArn": queue, "Events": _EVENTS, **filters}]


def _is_own(rule: Rule, queue: str) -> bool:
    return bool(rule["Id"].startswith(_RULE) and rule["QueueArn"] == queue)


def _covers(rule: Rule, prefix: str) -> bool:
    """Whether the rule tells of everything that begins so."""
    return (
        {*_EVENTS} <= {*rule["Events"]}
        and _filters(rule).keys() <= {"prefix"}
        and prefix.startswith(_prefix(rule))
    )


def _prefix(rule: Rule) -> str:
    return _filters(rule).get("prefix", "")


def _filters(rule: Rule) -> dict[str, str]:
    filters = rule.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return {one["Name"].lower(): one["Value"] for one in filters}


def _key(rule: Rule) -> tuple[str, str, str]:
    return rule["Id"], rule["QueueArn"], _prefix(rule)


async def _call(storage: AwsStorage, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = await in_thread(
            lambda: getattr(storage.client(service), operation)(**arguments)
        )
    except Exception as error:
        raise translated(error, storage.aws) from error
    return answer
