"""The vocabulary of host.json. Names, ranges and defaults are Azure's, unless a description says "funchost".

What is described as "accepted" has no effect here; it stands so that an existing host.json is not complained about.
A `timedelta` is written as a TimeSpan text (`hh:mm:ss`, `d.hh:mm:ss`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from ...bindings.ordering import DEDUP_WINDOW
from .checker import Span

Block = dict[str, Any]
Accepted = Annotated[Block, Meta(description="Accepted.")]
Positive = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


def _seconds(least: float, most: float | None = None) -> dict[str, Any]:
    span = Span(timedelta(seconds=least), timedelta.max if most is None else timedelta(seconds=most))
    return {"span": span}


class HttpOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """HTTP functions."""

    routePrefix: Annotated[str, Meta(description="Stands before every route; empty for none.")] = "api"
    maxOutstandingRequests: Annotated[
        int, Meta(ge=-1, description="Requests running and waiting; above it 429. -1 means no limit.")
    ] = -1
    maxConcurrentRequests: Annotated[
        int, Meta(ge=-1, description="HTTP functions running at a time; the rest wait. -1 means no limit.")
    ] = -1
    dynamicThrottlesEnabled: Annotated[bool, Meta(description="Accepted.")] = False
    enableChunkedRequestBinding: Annotated[bool, Meta(description="Accepted.")] = False
    customHeaders: Annotated[
        dict[str, str], Meta(description="Added to every response that does not have them.")
    ] = field(default_factory=dict)
    hsts: Annotated[Block, Meta(description="Accepted; TLS ends before the host.")] = field(
        default_factory=dict
    )


class QueueOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Queue functions; a function may override each but the encoding and the window."""

    batchSize: Annotated[int, Meta(ge=1, le=32, description="Messages fetched by one poll.")] = 16
    newBatchThreshold: Annotated[
        Natural | None,
        Meta(description="Poll again once no more than this many run; default half of batchSize."),
    ] = None
    maxDequeueCount: Annotated[Positive, Meta(description="Deliveries before a message is poison.")] = 5
    visibilityTimeout: Annotated[
        timedelta,
        Meta(description="Delay before a failed message is delivered again.", extra=_seconds(0)),
    ] = timedelta(0)
    maxPollingInterval: Annotated[
        timedelta | None,
        Meta(
            description="Longest wait between two polls of an empty queue, at least 100 ms; default 00:01:00, "
            "or 00:00:02 where AZURE_FUNCTIONS_ENVIRONMENT is Development.",
            extra={"span": Span(timedelta(milliseconds=100), milliseconds=True)},
        ),
    ] = None
    messageEncoding: Annotated[
        Literal["base64", "none"],
        Meta(
            description="Bodies are kept as they are; it decides how large they may be: 48 KiB, or 64 KiB with none."
        ),
    ] = "base64"
    dedupWindow: Annotated[
        timedelta,
        Meta(
            description="How long a dedupId keeps further messages with it out of a queue of the embedded store, at "
            "least 1 s (funchost).",
            extra=_seconds(1),
        ),
    ] = DEDUP_WINDOW


class BlobOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Blob and file functions."""

    maxDegreeOfParallelism: Annotated[
        Positive | None, Meta(description="Runs at a time of each blob function; default 8 for each core.")
    ] = None
    poisonBlobThreshold: Annotated[Positive, Meta(description="Attempts before a blob is given up.")] = 5


class Extensions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the triggers and bindings."""

    http: HttpOptions = field(default_factory=HttpOptions)
    queues: QueueOptions = field(default_factory=QueueOptions)
    blobs: BlobOptions = field(default_factory=BlobOptions)
    durableTask: Accepted = field(default_factory=dict)
    serviceBus: Accepted = field(default_factory=dict)
    eventHubs: Accepted = field(default_factory=dict)
    cosmosDB: Accepted = field(default_factory=dict)
    tables: Accepted = field(default_factory=dict)
    kafka: Accepted = field(default_factory=dict)
    rabbitMQ: Accepted = field(default_factory=dict)
    sendGrid: Accepted = field(default_factory=dict)
    signalR: Accepted = field(default_factory=dict)
    authenticationEvents: Accepted = field(default_factory=dict)
    connector: Accepted = field(default_factory=dict)
    dapr: Accepted = field(default_factory=dict)
    documentDB: Accepted = field(default_factory=dict)
    eventGrid: Accepted = field(default_factory=dict)
    eventHub: Accepted = field(default_factory=dict)
    kusto: Accepted = field(default_factory=dict)
    mcp: Accepted = field(default_factory=dict)
    mobileApps: Accepted = field(default_factory=dict)
    mysql: Accepted = field(default_factory=dict)
    notificationHubs: Accepted = field(default_factory=dict)
    openai: Accepted = field(default_factory=dict)
    redis: Accepted = field(default_factory=dict)
    sql: Accepted = field(default_factory=dict)
    twilioSms: Accepted = field(default_factory=dict)
    warmup: Accepted = field(default_factory=dict)
    webPubSub: Accepted = field(default_factory=dict)
    webPubSubForSocketIO: Accepted = field(default_factory=dict)


class RetryFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Attempts inside one delivery, when a function fails."""

    maxRetryCount: Annotated[int, Meta(ge=-1, description="Attempts after the first; -1 means for ever.")]
    strategy: Annotated[
        Literal["fixedDelay", "exponentialBackoff"], Meta(description="How the delay grows.")
    ] = "exponentialBackoff"
    delayInterval: Annotated[
        timedelta | None, Meta(description="Delay of fixedDelay; required there.", extra=_seconds(0))
    ] = None
    minimumInterval: Annotated[
        timedelta | None,
        Meta(description="First delay of exponentialBackoff; required there.", extra=_seconds(0)),
    ] = None
    maximumInterval: Annotated[
        timedelta | None,
        Meta(description="Longest delay of exponentialBackoff; required there.", extra=_seconds(0)),
    ] = None


class SingletonOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Locks of singletons and listeners."""

    lockPeriod: Annotated[
        timedelta,
        Meta(description="Accepted; a lock lasts 15 s without renewal.", extra=_seconds(15, 60)),
    ] = timedelta(seconds=15)
    listenerLockPeriod: Annotated[
        timedelta, Meta(description="Accepted; the same.", extra=_seconds(15, 60))
    ] = timedelta(minutes=1)
    listenerLockRecoveryPollingInterval: Annotated[
        timedelta,
        Meta(
            description="Accepted; a lock that is given back is taken over at once.",
            extra=_seconds(15),
        ),
    ] = timedelta(minutes=1)
    lockAcquisitionTimeout: Annotated[
        timedelta | None,
        Meta(
            description="How long a run waits for its lock; default and -1: for ever.",
            extra={"span": Span(timedelta(milliseconds=1), unlimited=True)},
        ),
    ] = None
    lockAcquisitionPollingInterval: Annotated[
        timedelta, Meta(description="How often it tries again, at least 0.5 s.", extra=_seconds(0.5))
    ] = timedelta(seconds=5)


class ConsoleOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Accepted; the command line decides what the console shows."""

    isEnabled: bool = True
    DisableColors: bool = False


class LogFileOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The log of hosts in files of the store (funchost)."""

    maxSizeInMB: Annotated[Positive, Meta(description="What all of them may take; the oldest go first.")] = 64


class LoggingOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is logged."""

    fileLoggingMode: Annotated[
        Literal["never", "always", "debugOnly"],
        Meta(description="Whether hosts write their log into files of the store; debugOnly does too."),
    ] = "debugOnly"
    file: LogFileOptions = field(default_factory=LogFileOptions)
    logLevel: Annotated[
        dict[str, Literal["Trace", "Debug", "Information", "Warning", "Error", "Critical", "None"]],
        Meta(
            description="Least level by category; the longest matching prefix counts, `default` for the rest."
        ),
    ] = field(default_factory=dict)
    console: ConsoleOptions = field(default_factory=ConsoleOptions)
    applicationInsights: Accepted = field(default_factory=dict)


class AggregatorOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Accepted: Azure's aggregation of metrics."""

    batchSize: Annotated[int, Meta(ge=1, le=10000)] = 1000
    flushTimeout: Annotated[timedelta, Meta(extra=_seconds(0.001, 300))] = timedelta(seconds=30)
    isEnabled: bool = True


class HealthMonitorOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Accepted: effective only on Azure's own servers."""

    enabled: bool = True
    healthCheckInterval: timedelta = timedelta(seconds=10)
    healthCheckWindow: timedelta = timedelta(minutes=2)
    healthCheckThreshold: Positive = 6
    counterThreshold: Share = 0.8


class ConcurrencyOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Accepted: concurrency is set for each function."""

    dynamicConcurrencyEnabled: bool = False
    snapshotPersistenceEnabled: bool = True
    maximumFunctionConcurrency: Annotated[int, Meta(ge=-1)] = 500
    CPUThreshold: Share = 0.8
    totalAvailableMemoryBytes: Annotated[int, Meta(ge=-1)] = -1
    memoryThreshold: Share = 0.8


class HistoryOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of runs (funchost)."""

    record: Annotated[
        Literal["all", "failures", "none"],
        Meta(description="Which runs are kept, unless a function says otherwise."),
    ] = "all"
    maxAge: Annotated[
        timedelta, Meta(description="How long a run is kept, at least one minute.", extra=_seconds(60))
    ] = timedelta(days=7)
    maxSizeInMB: Annotated[
        Positive, Meta(description="What all of them may take on the disk; the oldest go first.")
    ] = 1024
    inlineInKB: Annotated[
        Annotated[int, Meta(ge=1, le=1024)],
        Meta(
            description="What is kept in the run's record of its input, output and log each; more goes into files."
        ),
    ] = 64
    contentInMB: Annotated[
        Natural,
        Meta(
            description="The largest input or output that is kept whole; of larger ones their beginning is."
        ),
    ] = 16


class HostJson(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """host.json: what holds for the app as a whole."""

    version: Annotated[Literal["2.0"], Meta(description="Always 2.0.")] = "2.0"
    functions: Annotated[list[str] | None, Meta(description="Load only these functions; default all.")] = None
    functionTimeout: Annotated[
        timedelta | None,
        Meta(
            description="How long a run may take, at least 1 s; -1 means no limit.",
            extra={"span": Span(timedelta(seconds=1), unlimited=True)},
        ),
    ] = timedelta(minutes=30)
    retry: Annotated[RetryFields | None, Meta(description="Retry policy of functions without their own.")] = (
        None
    )
    singleton: SingletonOptions = field(default_factory=SingletonOptions)
    extensions: Extensions = field(default_factory=Extensions)
    watchDirectories: Annotated[
        list[str], Meta(description="Folders of the app root whose changes reload the functions.")
    ] = field(default_factory=list)
    watchFiles: Annotated[
        list[str], Meta(description="File names, at any depth, whose changes reload the functions.")
    ] = field(default_factory=list)
    fileWatchingEnabled: Annotated[bool, Meta(description="Whether changed files reload the functions.")] = (
        True
    )
    logging: LoggingOptions = field(default_factory=LoggingOptions)
    history: HistoryOptions = field(default_factory=HistoryOptions)
    concurrency: ConcurrencyOptions = field(default_factory=ConcurrencyOptions)
    healthMonitor: HealthMonitorOptions = field(default_factory=HealthMonitorOptions)
    aggregator: AggregatorOptions = field(default_factory=AggregatorOptions)
    extensionBundle: Annotated[Block, Meta(description="Accepted; nothing is downloaded.")] = field(
        default_factory=dict
    )
    customHandler: Accepted = field(default_factory=dict)
    serviceBus: Annotated[Block, Meta(description="Accepted; of version 1.")] = field(default_factory=dict)
    eventHub: Annotated[Block, Meta(description="Accepted; of version 1.")] = field(default_factory=dict)
    httpWorker: Accepted = field(default_factory=dict)
    managedDependency: Accepted = field(default_factory=dict)
    managedDependencies: Accepted = field(default_factory=dict)
    sendCanceledInvocationsToWorker: Annotated[bool, Meta(description="Accepted.")] = True
    metadataProviderTimeout: Annotated[timedelta, Meta(description="Accepted.")] = timedelta(seconds=30)
    telemetryMode: Annotated[
        Literal["ApplicationInsights", "OpenTelemetry"], Meta(description="Accepted.")
    ] = "ApplicationInsights"
    isDefaultHostConfig: Annotated[bool, Meta(description="Accepted; Azure's mark of a file it wrote.")] = (
        False
    )
