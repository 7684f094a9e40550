"""Calls back whoever wants to be told of a run's end: durably, with pauses that grow, and not for ever.

What is to be called waits as a message of an internal queue, and stays in flight here until its run has ended and the
call was taken: so whatever happens to this host, another one goes on with it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec

from ...bindings.clock import Clock
from ...bindings.errors import NotFound, ReceiptLost, StoreError
from ...bindings.history import RunRecord, RunState
from ...bindings.queue import QueueMessage, QueueStore
from ...triggers.base import ErrorInfo, Outcome, Status
from ...triggers.poison import poison_message, with_failure
from ...triggers.replies import CALLBACKS
from ...triggers.trouble import Trouble
from .callback_client import CallbackClient, CallFailed, CallRefused
from .signing import Signing
from .status import status_document

#: Pauses after a call that failed, one fewer than calls are made: an hour in all.
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 45, 135, 405, 1200, 1800))

POISON = f"{CALLBACKS}-poison"

#: Calls that are made at a time, and received at a time.
MOST_CALLS = 16

#: How long an empty queue is left alone, unless something is put into it.
IDLE = timedelta(minutes=5)

#: How often a run that goes on is looked at, where nobody tells of its end, and at the most, in seconds.
LOOK_AGAIN, LOOK_PAUSE = 5.0, 0.1

#: How long a run may take to begin to be known.
UNKNOWN = timedelta(minutes=1)

#: Seconds until the store is tried again, and between two renewals of what is held.
STORE_PAUSE, RENEW_INTERVAL = 5.0, 120.0


class Wanted(msgspec.Struct):
    """What a message of the queue asks for."""

    url: str
    #: The run whose end is told.
    run: str | None = None
    #: What is sent where nothing is known of the run.
    document: dict[str, Any] | None = None


class Callbacks:
    """Makes the calls, for as long as `run` runs."""

    def __init__(
        self,
        *,
        queues: QueueStore,
        find: Callable[[str], Awaitable[RunRecord]],
        signing: Signing,
        client: CallbackClient,
        url: Callable[[], str],
        clock: Clock,
        report: Callable[[str], None],
    ) -> None:
        """`find` gives a run and raises `NotFound`; `url` is where this host is reached."""
        self._queues = queues
        self._find = find
        self._signing = signing
        self._client = client
        self._url = url
        self._clock = clock
        self._report = report
        self._trouble = Trouble(report, clock)
        self._slots = asyncio.Semaphore(MOST_CALLS)
        self._held: dict[asyncio.Task[None], QueueMessage] = {}
        self._changed = asyncio.Event()

    def look_again(self) -> None:
        """Runs have changed: perhaps one has ended."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Make calls until this is cancelled; what is held then goes back."""
        renewing = asyncio.create_task(self._renew())
        try:
            while True:
                if not await self._receive():
                    await self._queues.wait(CALLBACKS, IDLE)
        finally:
            renewing.cancel()
            await self._give_back()
            await self._client.close()

    async def _receive(self) -> bool:
        """Take what is due; whether there may be more."""
        async with self._slots:  # while all are busy there is no use in more
            try:
                found = await self._queues.receive(CALLBACKS, MOST_CALLS)
            except Exception as error:
                self._trouble.came(f"Nobody can be called back, which is tried again: {error}")
                await asyncio.sleep(STORE_PAUSE)
                return True
            self._trouble.passed("Calls back are made again.")
        for message in found:
            task = asyncio.create_task(self._process(message), name="call back")
            self._held[task] = message
            task.add_done_callback(self._over)
        return bool(found)

    def _over(self, task: asyncio.Task[None]) -> None:
        del self._held[task]
        if not task.cancelled() and (error := task.exception()):
            self._report(f"A call back could not be settled, and is made again: {error}")

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_INTERVAL)
            with contextlib.suppress(StoreError):
                await self._queues.renew([*self._held.values()])

    async def _give_back(self) -> None:
        held = dict(self._held)
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)
        given_back = (self._queues.release(one, timedelta(0), count=False) for one in held.values())
        await asyncio.gather(*given_back, return_exceptions=True)

    # -- one of them

    async def _process(self, message: QueueMessage) -> None:
        wanted = None
        try:
            wanted = msgspec.json.decode(message.body, type=Wanted)
            document = await self._document(message, wanted)
            async with self._slots:
                await self._call(wanted, document)
        except (msgspec.DecodeError, RecursionError) as error:
            await self._give_up(message, wanted, f"It is not what the host writes there: {error}.")
        except (CallRefused, NotFound) as error:
            await self._give_up(message, wanted, str(error))
        except StoreError:
            # That was no call: it does not count.
            pause = timedelta(seconds=STORE_PAUSE)
            await self._settle(lambda: self._queues.release(message, pause, count=False))
        except Exception as error:
            reason = str(error) if isinstance(error, CallFailed) else f"The call failed: {error!r}."
            await self._try_later(message, wanted, reason)
        else:
            await self._settle(lambda: self._queues.complete((message,)))

    async def _document(self, message: QueueMessage, wanted: Wanted) -> dict[str, Any]:
        """What is sent, once the run has ended. Raises `NotFound` for a run that nobody knows."""
        while wanted.run is not None:
            changed = self._changed
            try:
                run = await self._find(wanted.run)
            except NotFound:
                if wanted.document is not None:
                    break
                if self._clock.now() - message.inserted_at > UNKNOWN:
                    raise
            else:
                if run.state is not RunState.RUNNING:
                    url = self._url() + await self._signing.status_path(run.id)
                    return {**(wanted.document or {}), **status_document(run, url)}
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), LOOK_AGAIN)
            # Many runs may change in a moment, and many calls wait.
            await asyncio.sleep(LOOK_PAUSE)
        return wanted.document or {}

    async def _call(self, wanted: Wanted, document: dict[str, Any]) -> None:
        body = msgspec.json.encode(document)
        timestamp = str(int(self._clock.now().timestamp()))
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "funchost",
            "Funchost-Run": wanted.run or "",
            "Funchost-Timestamp": timestamp,
            "Funchost-Signature": await self._signing.of_callback(timestamp, body),
        }
        await self._client.post(wanted.url, body, headers)

    async def _try_later(self, message: QueueMessage, wanted: Wanted | None, reason: str) -> None:
        if message.dequeue_count > len(PAUSES):
            await self._give_up(message, wanted, reason)
            return
        properties = with_failure(message, self._failure(wanted, reason))
        pause = PAUSES[message.dequeue_count - 1]
        await self._settle(lambda: self._queues.release(message, pause, properties=properties))

    async def _give_up(self, message: QueueMessage, wanted: Wanted | None, reason: str) -> None:
        self._report(
            f"Whoever asked for run {wanted.run if wanted else '?'} could not be called back: {reason}"
        )
        outcome = self._failure(wanted, reason)
        poison = poison_message(message, outcome, outcome.function, POISON, self._clock.now())
        await self._settle(lambda: self._queues.poison(message, poison))

    def _failure(self, wanted: Wanted | None, reason: str) -> Outcome:
        """A call as an outcome, which is how queues tell of what was given up."""
        now = self._clock.now()
        return Outcome(
            status=Status.FAILED,
            function="",
            invocation_id=wanted.run or "" if wanted else "",
            started=now,
            ended=now,
            error=ErrorInfo("CallbackFailed", reason),
        )

    async def _settle(self, step: Callable[[], Awaitable[None]]) -> None:
        """Settle in spite of a store that fails for a while; what another one has by now is the other's."""
        while True:
            try:
                await step()
                return
            except ReceiptLost:
                return
            except StoreError:
                await asyncio.sleep(STORE_PAUSE)
