"""What Azure's part of the admin API takes and answers, as the OpenAPI document has it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec


class Refused(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why something was not done."""

    error: str


# -- the host


class Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The extension bundle that host.json names."""

    id: str | None
    version: str | None


class Cloud(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is done at a service that others use too."""

    place: str
    connection: str
    takes: Any
    reads: Any
    writes: Any
    keepsState: bool


class HostStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A host's state, version and identity."""

    id: str
    state: str
    version: str
    versionDetails: str
    platformVersion: str
    instanceId: str
    computerName: str
    processUptime: Annotated[int, msgspec.Meta(description="Milliseconds since the process began.")]
    functionAppContentEditingState: str
    errors: list[str]
    pid: int
    workers: Annotated[list[int], msgspec.Meta(description="The workers' process ids.")]
    draining: bool
    waiting: Annotated[dict[str, str], msgspec.Meta(description="By function, what it waits for.")]
    cloud: list[Cloud]
    extensionBundle: Bundle | msgspec.UnsetType = msgspec.UNSET


class HostState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the app is in service."""

    state: str


class DrainStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a drain has come: `Disabled`, `InProgress` or `Completed`."""

    state: str
    outstandingInvocations: int
    outstandingRetries: int


class Resumed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The state after a drain."""

    State: str


class Synced(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That triggers are in step."""

    status: str


class Process(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A process of the host."""

    processId: int
    processName: str


class Processes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The host's process and its workers'."""

    processes: list[Process]


class LogEntry(msgspec.Struct, frozen=True):
    """An entry for the host's log."""

    message: Any = ""
    level: Annotated[
        Any, msgspec.Meta(description="`Error`, `Warning`, `Info`, `Verbose`, `Off`, or 1, 2, 3, 4, 0.")
    ] = "info"
    source: Any = ""
    functionName: Any = ""


# -- functions


class Function(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A function with Azure's fields, and from `trigger` on with ours."""

    name: str
    script_root_path_href: str | None
    script_href: str | None
    config_href: str | None
    test_data_href: str | None
    href: str
    invoke_url_template: str | None
    language: str
    config: Any
    files: Any
    test_data: str | None
    isDisabled: bool
    isDirect: bool
    isProxy: bool
    trigger: str
    where: Annotated[str, msgspec.Meta(description="Its URL, queue, path or schedule.")]
    state: str
    errors: list[str]


class Errors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in the way of a function."""

    errors: list[str]


class ByHand(msgspec.Struct, frozen=True):
    """What a function is to be run with."""

    input: Annotated[
        Any,
        msgspec.Meta(description="The trigger's value: a message's text, `container/name`, a file's path."),
    ] = None
    callbackUrl: Annotated[
        str | None, msgspec.Meta(description="Is called with how it stands once it has ended.")
    ] = None


class Begun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run that its caller does not wait for."""

    id: str
    state: str
    statusUrl: str


class RunError(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a run did not succeed."""

    type: str | None
    message: str
    traceback: str | None


class HttpAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an HTTP function would answer; headers are pairs, since one may stand there twice."""

    status: int
    headers: list[tuple[str, str]]


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What became of a run that was waited for."""

    function: str
    invocationId: str
    status: str
    attempts: int
    durationMs: float
    kind: str
    error: RunError | msgspec.UnsetType = msgspec.UNSET
    http: HttpAnswer | msgspec.UnsetType = msgspec.UNSET
    result: str | msgspec.UnsetType = msgspec.UNSET
    resultBase64: str | msgspec.UnsetType = msgspec.UNSET
    outputs: list[dict[str, Any]] | msgspec.UnsetType = msgspec.UNSET


# -- keys


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where something is to be found."""

    rel: str
    href: str


class KeyPair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key in a list."""

    name: str
    value: str


class KeyList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of a collection."""

    keys: list[KeyPair]
    links: list[Link]


class Key(KeyPair, frozen=True, forbid_unknown_fields=True):
    """One key."""

    links: list[Link]


class KeyValue(msgspec.Struct, frozen=True):
    """The value that a key is to have."""

    value: str
    name: str | None = None
