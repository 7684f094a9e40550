"""The stores that the suites of `tests/contract` are run on: one entry for each adapter in the tables at the end.

An entry is a function that opens the store and closes it again, given the fixtures of the test.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from account import ASKED_FOR, Account, WaitingClock
from aws import Aws
from fakes import ManualClock
from s3 import S3, SETTINGS

from funchost.bindings.aws.s3_blobs import S3Blobs
from funchost.bindings.aws.s3_leases import S3Leases
from funchost.bindings.aws.s3_state import S3State
from funchost.bindings.aws.session import AwsSession
from funchost.bindings.aws.sqs_queue import SqsQueues
from funchost.bindings.blob import BlobStore
from funchost.bindings.embedded_lease import EmbeddedLeases
from funchost.bindings.embedded_queue import EmbeddedQueues
from funchost.bindings.embedded_state import EmbeddedState
from funchost.bindings.errors import QueueMissing
from funchost.bindings.folder_blobs import FolderBlobs
from funchost.bindings.lease import Lease, LeaseStore
from funchost.bindings.memory_blobs import MemoryBlobs
from funchost.bindings.memory_leases import MemoryLeases
from funchost.bindings.memory_queues import MemoryQueues
from funchost.bindings.memory_state import MemoryState
from funchost.bindings.queue import OutgoingMessage, PeekedMessage, QueueDepth, QueueMessage, QueueStore
from funchost.bindings.state import StateStore
from funchost.bindings.store import Store

if TYPE_CHECKING:
    from pathlib import Path

MINUTE = timedelta(minutes=1)
NONE = timedelta(0)

#: The queue of SQS that keeps an order.
FIFO = "orders.fifo"

#: The limit of a message's body where a test may say it.
MAX_BODY = 1000

Request = pytest.FixtureRequest


# -- queues


@dataclass
class Queues:
    """The store under test, with the clock that it reads."""

    store: QueueStore
    clock: ManualClock
    max_body: int = MAX_BODY
    #: A queue that keeps sessions in order and drops duplicates.
    ordered: str = "orders"

    async def send(self, *bodies: bytes, queue: str = "orders") -> None:
        await self.store.send([OutgoingMessage(queue=queue, body=body) for body in bodies])

    async def receive(self, limit: int = 32, queue: str = "orders") -> list[QueueMessage]:
        try:
            return await self.store.receive(queue, limit, MINUTE)
        except QueueMissing:
            return []  # nothing was ever sent there

    async def receive_one(self, queue: str = "orders") -> QueueMessage:
        [message] = await self.receive(queue=queue)
        return message

    async def bodies(self, queue: str = "orders") -> list[bytes]:
        return [message.body for message in await self.receive(queue=queue)]

    async def depth(self, queue: str = "orders") -> QueueDepth:
        [depth] = [depth for depth in await self.store.depths() if depth.queue == queue]
        return depth

    async def peek_one(self, queue: str = "orders") -> PeekedMessage:
        [peeked] = await self.store.peek(queue, 10)
        return peeked


class GatheredQueues(Queues):
    """SQS itself answers with some of what is there; so it is asked until it has no more."""

    async def receive(self, limit: int = 32, queue: str = "orders") -> list[QueueMessage]:
        messages: list[QueueMessage] = []
        while len(messages) < limit:
            more = await super().receive(limit - len(messages), queue)
            if not more:
                break
            messages += more
        return sorted(messages, key=lambda message: message.inserted_at)


@contextlib.asynccontextmanager
async def embedded_queues(request: Request) -> AsyncIterator[Queues]:
    clock = ManualClock()
    async with embedded_store(request, clock) as store:
        yield Queues(EmbeddedQueues(store, "host-1", max_body=MAX_BODY), clock)


@contextlib.asynccontextmanager
async def memory_queues(request: Request) -> AsyncIterator[Queues]:
    clock = ManualClock()
    yield Queues(MemoryQueues(clock, max_body=MAX_BODY), clock)


@contextlib.asynccontextmanager
async def emulated_sqs(request: Request) -> AsyncIterator[Queues]:
    """At moto's server, which goes by the same clock."""
    _skip(request, "not_on_sqs")
    aws: Aws = request.getfixturevalue("aws")
    clock = ManualClock()
    with aws.at(clock):
        session = AwsSession(aws.settings(create_queues=True))
        # The smallest limit that SQS has, and room for as many properties as the tests send.
        aws.create_queue("orders", MaximumMessageSize="1024")
        yield Queues(SqsQueues(session, clock, poll=NONE), clock, max_body=1024, ordered=FIFO)
        session.close()


@contextlib.asynccontextmanager
async def sqs(request: Request) -> AsyncIterator[Queues]:
    """In a real account, at the real time. A short poll may miss messages there."""
    _skip(request, "not_on_sqs")
    _skip(request, "not_on_account")
    account: Account = request.getfixturevalue("account")
    clock, prefix = WaitingClock(), account.name()
    session = account.session(replace(account.settings, queue_prefix=prefix))
    try:
        account.make_queue(f"{prefix}orders", MaximumMessageSize="1024")
        account.make_queue(f"{prefix}{FIFO}", FifoQueue="true")
        store = SqsQueues(session, clock, poll=timedelta(seconds=2))
        yield GatheredQueues(store, clock, max_body=1024, ordered=FIFO)
    finally:
        session.close()
        account.clean(prefix)


# -- blobs


@contextlib.asynccontextmanager
async def folder_blobs(request: Request) -> AsyncIterator[BlobStore]:
    yield FolderBlobs(request.getfixturevalue("tmp_path"))


@contextlib.asynccontextmanager
async def memory_blobs(request: Request) -> AsyncIterator[BlobStore]:
    yield MemoryBlobs()


@contextlib.asynccontextmanager
async def emulated_s3_blobs(request: Request) -> AsyncIterator[BlobStore]:
    with emulated_s3(request) as s3:
        yield S3Blobs(s3.client, SETTINGS, bucket_prefix=s3.prefix, create_buckets=True)


@contextlib.asynccontextmanager
async def s3_blobs(request: Request) -> AsyncIterator[BlobStore]:
    account: Account = request.getfixturevalue("account")
    prefix = account.name()
    try:
        yield S3Blobs(lambda: account.s3, account.settings, bucket_prefix=prefix, create_buckets=True)
    finally:
        account.clean(prefix)


# -- leases


@dataclass
class Leases:
    """The store under test, with the clock that it reads."""

    store: LeaseStore
    clock: ManualClock

    async def take(self, name: str = "totals", owner: str = "host-1") -> Lease:
        lease = await self.store.acquire(name, owner)
        assert lease is not None
        return lease


@contextlib.asynccontextmanager
async def embedded_leases(request: Request) -> AsyncIterator[Leases]:
    clock = ManualClock()
    async with embedded_store(request, clock) as store:
        yield Leases(EmbeddedLeases(store), clock)


@contextlib.asynccontextmanager
async def memory_leases(request: Request) -> AsyncIterator[Leases]:
    clock = ManualClock()
    yield Leases(MemoryLeases(clock), clock)


@contextlib.asynccontextmanager
async def emulated_s3_leases(request: Request) -> AsyncIterator[Leases]:
    clock = ManualClock()
    with emulated_s3(request) as s3:
        yield Leases(S3Leases(s3.client, SETTINGS, s3.bucket, clock=clock), clock)


@contextlib.asynccontextmanager
async def s3_leases(request: Request) -> AsyncIterator[Leases]:
    """Time is that of the hosts: nothing has to be waited for."""
    account: Account = request.getfixturevalue("account")
    clock = ManualClock()
    store = S3Leases(lambda: account.s3, account.settings, account.bucket, f"{account.name()}/", clock)
    yield Leases(store, clock)


# -- state


@dataclass
class Memory:
    """The store under test, with the queues that it sends to."""

    state: StateStore
    queues: QueueStore

    async def sent(self) -> list[bytes]:
        return [message.body for message in await self.queues.peek("internal", 100)]


@contextlib.asynccontextmanager
async def embedded_state(request: Request) -> AsyncIterator[Memory]:
    async with embedded_store(request) as store:
        queues = EmbeddedQueues(store, "host-1")
        yield Memory(EmbeddedState(store, queues), queues)


@contextlib.asynccontextmanager
async def memory_state(request: Request) -> AsyncIterator[Memory]:
    queues = MemoryQueues()
    yield Memory(MemoryState(queues), queues)


@contextlib.asynccontextmanager
async def emulated_s3_state(request: Request) -> AsyncIterator[Memory]:
    queues = MemoryQueues()
    with emulated_s3(request) as s3:
        state = S3State(s3.client, SETTINGS, s3.bucket, queues)
        yield Memory(state, queues)
        await state.close()


@contextlib.asynccontextmanager
async def s3_state(request: Request) -> AsyncIterator[Memory]:
    account: Account = request.getfixturevalue("account")
    queues = MemoryQueues()
    state = S3State(lambda: account.s3, account.settings, account.bucket, queues, prefix=f"{account.name()}/")
    yield Memory(state, queues)
    await state.close()


# -- what several share


@contextlib.asynccontextmanager
async def embedded_store(request: Request, clock: ManualClock | None = None) -> AsyncIterator[Store]:
    folder: Path = request.getfixturevalue("tmp_path")
    store = Store(folder / "store", clock=clock)
    yield store
    await store.close()


def emulated_s3(request: Request) -> contextlib.closing[S3]:
    return contextlib.closing(S3(request.getfixturevalue("emulator").url))


def _skip(request: Request, marker: str) -> None:
    for found in request.node.iter_markers(marker):
        pytest.skip(found.args[0])


# -- the tables: what a name opens

QUEUES: dict[str, Callable[[Request], AbstractAsyncContextManager[Queues]]] = {
    "embedded": embedded_queues,
    "memory": memory_queues,
    "sqs": emulated_sqs,
}
BLOBS: dict[str, Callable[[Request], AbstractAsyncContextManager[BlobStore]]] = {
    "folder": folder_blobs,
    "memory": memory_blobs,
    "s3": emulated_s3_blobs,
}
LEASES: dict[str, Callable[[Request], AbstractAsyncContextManager[Leases]]] = {
    "embedded": embedded_leases,
    "memory": memory_leases,
    "s3": emulated_s3_leases,
}
STATES: dict[str, Callable[[Request], AbstractAsyncContextManager[Memory]]] = {
    "embedded": embedded_state,
    "memory": memory_state,
    "s3": emulated_s3_state,
}
if ASKED_FOR:
    QUEUES["account"] = sqs
    BLOBS["account"] = s3_blobs
    LEASES["account"] = s3_leases
    STATES["account"] = s3_state
