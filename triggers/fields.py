"""The vocabulary of function.json: the fields of every built-in binding type.

Names, types and defaults are Azure's (functions-semantics 1.5) unless a description says "funchost". The JSON
Schemas and the checks at start both come from these models. A duration is a TimeSpan text (`hh:mm:ss`,
`d.hh:mm:ss`); None means that host.json decides.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

Text = Annotated[str, Meta(min_length=1)]
Natural = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
BatchSize = Annotated[int, Meta(ge=1, le=32)]
Change = Literal["created", "changed", "deleted", "renamed"]


def _created_and_changed() -> list[Change] | str:
    return ["created", "changed"]


class TriggerPolicyFields(Struct, kw_only=True, forbid_unknown_fields=True):
    """What any trigger may carry beside its own fields, so that decorators can say it too (funchost)."""

    retry: Annotated[dict[str, Any] | None, Meta(description="Retry policy, as at the top level.")] = None
    singleton: Annotated[
        bool | dict[str, Any] | None, Meta(description="One run at a time, as at the top level.")
    ] = None
    timeout: Annotated[str | int | None, Meta(description="TimeSpan; -1 means no limit.")] = None
    concurrency: Annotated[Positive | None, Meta(description="Runs at a time on one host.")] = None


class QueuePolicyFields(TriggerPolicyFields, kw_only=True, forbid_unknown_fields=True):
    """How messages are fetched and given up; overrides host.json `extensions.queues` (funchost)."""

    batchSize: Annotated[BatchSize | None, Meta(description="Messages fetched by one poll.")] = None
    newBatchThreshold: Annotated[
        Natural | None, Meta(description="Poll again once no more than this many run.")
    ] = None
    maxDequeueCount: Annotated[
        Positive | None, Meta(description="Deliveries before a message is poison.")
    ] = None
    visibilityTimeout: Annotated[
        str | None, Meta(description="Delay before a failed message is delivered again.")
    ] = None
    maxPollingInterval: Annotated[
        str | int | None, Meta(description="Longest wait between two polls of an empty queue.")
    ] = None
    poisonQueueName: Annotated[
        str | None, Meta(description="Where given-up messages go; default <queue>-poison.")
    ] = None


class HttpTriggerFields(TriggerPolicyFields, kw_only=True, forbid_unknown_fields=True):
    """`httpTrigger`: runs on an HTTP request."""

    route: Annotated[
        str | None, Meta(description="Route template after the prefix; default the function's name.")
    ] = None
    methods: Annotated[list[str] | None, Meta(description="Verbs; absent means all.")] = None
    authLevel: Annotated[
        Literal["anonymous", "user", "function", "system", "admin"],
        Meta(description="Which key a caller must show."),
    ] = "function"
    webHookType: Annotated[str | None, Meta(description="Accepted, without effect (v1 only).")] = None


class QueueTriggerFields(QueuePolicyFields, kw_only=True, forbid_unknown_fields=True):
    """`queueTrigger`: runs on a queue message."""

    queueName: Annotated[Text, Meta(description="3 to 63 lower-case letters, digits and single hyphens.")]
    connection: Annotated[
        str | None,
        Meta(description="Name of the setting that names the storage; default AzureWebJobsStorage."),
    ] = None


class BlobTriggerFields(QueuePolicyFields, kw_only=True, forbid_unknown_fields=True):
    """`blobTrigger`: runs once for each version of each blob that matches."""

    path: Annotated[Text, Meta(description="container/pattern, such as receipts/{name}.json.")]
    connection: str | None = None
    source: Annotated[
        Literal["LogsAndContainerScan", "EventGrid", "notifications"],
        Meta(
            description="Only 'notifications' has an effect (funchost, on S3): changes are told on notificationQueue."
        ),
    ] = "LogsAndContainerScan"
    notificationQueue: Annotated[
        str | None,
        Meta(description="Queue of the same connection that brings the bucket's notifications (funchost)."),
    ] = None
    scanInterval: Annotated[
        str | None,
        Meta(
            description="TimeSpan between two full scans (funchost); default 10 s, with notifications 1 hour. -1 with "
            "notifications: none."
        ),
    ] = None


class FileTriggerFields(QueuePolicyFields, kw_only=True, forbid_unknown_fields=True):
    """`fileTrigger` (funchost): runs once for each version of each file that matches."""

    path: Annotated[
        Text, Meta(description="Pattern such as import/{name}.csv, relative to the app root or absolute.")
    ]
    changeTypes: Annotated[
        list[Change] | Text,
        Meta(description="What counts; default created and changed."),
    ] = field(default_factory=_created_and_changed)
    autoDelete: Annotated[bool, Meta(description="Delete the file after the function succeeded.")] = False
    scanInterval: Annotated[
        str | None, Meta(description="TimeSpan between two full scans; default 10 s.")
    ] = None


class TimerTriggerFields(TriggerPolicyFields, kw_only=True, forbid_unknown_fields=True):
    """`timerTrigger`: runs on a schedule."""

    schedule: Annotated[
        str | None, Meta(description="NCRONTAB with 5 or 6 fields, or a TimeSpan between two runs.")
    ] = None
    runAt: Annotated[
        str | None, Meta(description="One ISO time instead of a schedule: run once then (funchost).")
    ] = None
    runOnStartup: Annotated[bool, Meta(description="Run each time the listener starts.")] = False
    useMonitor: Annotated[bool | None, Meta(description="Remember the schedule over restarts.")] = None
    timeZone: Annotated[
        str | None,
        Meta(description="IANA zone of the schedule (funchost); default WEBSITE_TIME_ZONE or TZ, else UTC."),
    ] = None
    misfire: Annotated[
        Literal["once", "skip", "all"],
        Meta(description="What to do with ticks missed while the host was down (funchost)."),
    ] = "once"


class ManualTriggerFields(TriggerPolicyFields, kw_only=True, forbid_unknown_fields=True):
    """`manualTrigger`: runs only by hand."""


class WarmupTriggerFields(TriggerPolicyFields, kw_only=True, forbid_unknown_fields=True):
    """`warmupTrigger`: runs when the app is warmed up, on GET /admin/warmup; its function is named Warmup."""


class UnservedFields(Struct):
    """The fields of a type that is not served: whatever they are, only its own service could check them."""


class HttpOutputFields(Struct, kw_only=True, forbid_unknown_fields=True):
    """`http` output: the response."""

    webHookType: str | None = None


class QueueOutputFields(Struct, kw_only=True, forbid_unknown_fields=True):
    """`queue` output: messages to send."""

    queueName: Text
    connection: str | None = None
    visibilityDelay: Annotated[
        str | None, Meta(description="TimeSpan before the message can be received (funchost).")
    ] = None
    timeToLive: Annotated[
        str | int | None,
        Meta(description="TimeSpan the message is kept; default 7 days, -1 for ever (funchost)."),
    ] = None
    sessionId: Annotated[
        str | None,
        Meta(description="Messages of one session are run in their order, one at a time (funchost)."),
    ] = None
    priority: Annotated[
        int | str | None,
        Meta(description="0 to 9, default 4; of what is due the higher goes first (funchost)."),
    ] = None
    dedupId: Annotated[
        str | None,
        Meta(description="Drops what is sent with the same id within five minutes (funchost)."),
    ] = None
    replyTo: Annotated[str | None, Meta(description="Queue that the result is to go to (funchost).")] = None
    correlationId: Annotated[
        str | None, Meta(description="Goes with the result, so that it is known what it answers (funchost).")
    ] = None


class BlobFields(Struct, kw_only=True, forbid_unknown_fields=True):
    """`blob` input or output."""

    path: Text
    connection: str | None = None


class TableFields(Struct, kw_only=True, forbid_unknown_fields=True):
    """`table` input or output: entities of a table."""

    tableName: Annotated[Text, Meta(description="3 to 63 letters and digits, a letter first.")]
    connection: str | None = None
    partitionKey: Annotated[
        str | None, Meta(description="Of the entity to read, or of written ones that bring none.")
    ] = None
    rowKey: Annotated[
        str | None, Meta(description="Of the entity to read, or of written ones that bring none.")
    ] = None
    filter: Annotated[
        str | None, Meta(description="Which entities to read, in OData: Age ge 18 and Name ne 'Ada'.")
    ] = None
    take: Annotated[Natural | None, Meta(description="How many entities to read at most; 0 means all.")] = (
        None
    )


#: What a binding that is no trigger may hold.
BINDING_FIELDS: dict[str, type[Struct]] = {
    "http": HttpOutputFields,
    "queue": QueueOutputFields,
    "blob": BlobFields,
    "table": TableFields,
}
