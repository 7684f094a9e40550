"""Where connections lead, and whether what functions want of them answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field

from ....bindings.aws.errors import CredentialsRefused, translated
from ....bindings.aws.storage import AwsStorage
from ....bindings.blob import ContainerMissing
from ....bindings.clock import SystemClock
from ....bindings.errors import AccessDenied, FunchostError, QueueMissing
from ....bindings.storage import Storage
from ....triggers.descriptor import Binding, FunctionDescriptor
from ...app.binding_checks import STORED
from ...config.connection import HOST_STORAGE, Connection
from ...config.host_id import shared_name
from ...storage import Connected
from .check import Check, ok, problem, skipped, warning
from .look import Look
from .named_settings import settings_named
from .patient import Patient, aside

NAME = "connections"

#: Seconds in which everything behind a connection should have answered.
LIMIT = 8.0


@dataclass(slots=True)
class Wanted:
    """What functions want of a connection, each with whether that is more than to write."""

    queues: dict[str, bool] = field(default_factory=dict)
    containers: dict[str, bool] = field(default_factory=dict)


async def check(patient: Patient) -> Iterable[Check]:
    """Each connection that is named, and the host's own."""
    look = await patient.look()
    wanted = _wanted(look)
    connected = Connected(SystemClock())
    try:
        found = await asyncio.gather(
            *(_connection(patient, connected, name, wanted[name]) for name in sorted(wanted))
        )
    finally:
        await connected.close()
    return [each for checks in found for each in checks]


def _wanted(look: Look) -> dict[str, Wanted]:
    wanted: dict[str, Wanted] = {"": Wanted()}
    for report in look.definitions:
        for one in settings_named(report.document.value):
            if one.is_storage:
                wanted.setdefault(one.setting, Wanted())
    for function in look.functions:
        for binding in (function.trigger, *function.bindings):
            if binding.type in STORED and binding.type not in function.unserved:
                _note(wanted, function, binding)
    return wanted


def _note(wanted: dict[str, Wanted], function: FunctionDescriptor, binding: Binding) -> None:
    name = (binding.fields.get("connection") or "").strip()
    uses = wanted.setdefault("" if name == HOST_STORAGE else name, Wanted())
    takes = binding is function.trigger or binding.direction == "in"
    queue = binding.fields.get("queueName", "")
    container = str(binding.fields.get("path", "")).partition("/")[0]
    for things, thing in ((uses.queues, queue), (uses.containers, container)):
        if thing and "{" not in thing:
            things[thing] = things.get(thing, False) or takes


async def _connection(patient: Patient, connected: Connected, name: str, wanted: Wanted) -> Iterable[Check]:
    connection = patient.configuration.settings.app.connection(name)
    shown = name or HOST_STORAGE
    if not connection.usable:
        if not name and connection.kind == "azure":
            return []  # told with the settings: only what hosts share stays here
        text = connection.message or f"The connection '{shown}' cannot be used."
        return [problem(NAME, text, connection.fix)]
    storage = connected.storage(connection)
    if storage is None:
        return [ok(NAME, f"{shown} is the embedded store.")]
    return await _storage(patient, storage, connection, wanted)


async def _storage(
    patient: Patient, storage: Storage, connection: Connection, wanted: Wanted
) -> Iterable[Check]:
    """Ask for everything at once: what does not answer holds up nothing else."""
    name = connection.name or HOST_STORAGE
    asked: list[tuple[str, bool, Callable[[], Awaitable[str]]]] = [
        *((f"queue {one}", takes, _queue(storage, one)) for one, takes in wanted.queues.items()),
        *((f"container {one}", takes, _blobs(storage, one)) for one, takes in wanted.containers.items()),
    ]
    if not connection.name and storage.why_no_host_state is None:
        asked.append(("what hosts share", True, _host_state(patient, storage)))
    if not asked:
        return [skipped(NAME, f"{name} leads to {storage.place}; no function takes anything from there.")]
    return await asyncio.gather(*(_asked(name, storage, *each) for each in asked))


async def _asked(
    name: str, storage: Storage, what: str, takes: bool, ask: Callable[[], Awaitable[str]]
) -> Check:
    where = f"{name} at {storage.place}: {what}"
    try:
        async with asyncio.timeout(LIMIT):
            return ok(NAME, f"{where} {await ask()}.")
    except TimeoutError:
        return problem(
            NAME, f"{where} does not answer within {LIMIT:g} s.", "Check the network, and the endpoint."
        )
    except CredentialsRefused as error:
        return problem(NAME, f"{where} was not asked for. {error}")
    except AccessDenied as error:
        # Who only writes need not be allowed to look.
        tell = problem if takes else warning
        return tell(NAME, f"{where}: permission denied. {error}")
    except (QueueMissing, ContainerMissing):
        return problem(NAME, f"{where} does not exist.", _making(storage, what))
    except FunchostError as error:
        return problem(NAME, f"{where} cannot be used. {error}", getattr(error, "fix", None))


def _making(storage: Storage, what: str) -> str:
    key = "createQueues" if what.startswith("queue") else "createBuckets"
    more = f", or set {storage.settings.setting}__{key} to true" if isinstance(storage, AwsStorage) else ""
    return f"Make it{more}."


def _queue(storage: Storage, queue: str) -> Callable[[], Awaitable[str]]:
    async def ask() -> str:
        if not isinstance(storage, AwsStorage):
            names = [depth.queue for depth in await storage.queues().depths()]
            return "answers" if queue in names else "is not there yet"
        try:
            await aside(lambda: _ask_sqs(storage, queue))
        except QueueMissing:
            if not storage.aws.create_queues:
                raise
            return "is made when a message is sent to it"
        return "answers"

    return ask


def _ask_sqs(storage: AwsStorage, queue: str) -> None:
    """What a listener needs before it can receive. A permission to list all queues is not asked for."""
    try:
        sqs = storage.client("sqs")
        url = sqs.get_queue_url(QueueName=storage.aws.queue_prefix + queue)["QueueUrl"]
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    except Exception as error:
        raise translated(error, storage.aws) from error


def _blobs(storage: Storage, container: str) -> Callable[[], Awaitable[str]]:
    async def ask() -> str:
        try:
            async with aclosing(storage.blobs().list(container)) as blobs:  # type: ignore[type-var]
                async for _ in blobs:
                    return "answers"
        except ContainerMissing:
            if not (isinstance(storage, AwsStorage) and storage.aws.create_buckets):
                raise
            return "is made when a blob is written"
        return "answers, and is empty"

    return ask


def _host_state(patient: Patient, storage: Storage) -> Callable[[], Awaitable[str]]:
    async def ask() -> str:
        if isinstance(storage, AwsStorage) and storage.aws.create_buckets:
            return "is kept in a bucket that a start makes"
        storage.host_state(shared_name(patient.configuration.settings.app))
        await storage.check_host_state()
        return "can be kept"

    return ask
