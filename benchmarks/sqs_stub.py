"""A light server that speaks as much of SQS as `benchmarks/sqs.py` needs: `python sqs_stub.py [LATENCY_MS]`.

Standard queues in memory, JSON protocol, long polls, visibility and receive counts. It exists because an emulator
takes more time for a call than its callers do, and so makes all of them look alike. Prints its URL.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import uvloop
from aiohttp import web
from sqs_tally import PATH, RECEIVE, Tally

MOST_ENTRIES = 10
DEFAULT_VISIBILITY = 30

Json = dict[str, Any]


class NoSuchQueue(Exception):
    """There is no queue of this name."""


@dataclass(slots=True)
class Message:
    """One message, visible or in flight."""

    id: str
    sent: Json
    sent_at: int
    md5: str
    count: int = 0
    first_received: int = 0
    #: Until when it is hidden, on the clock that never steps.
    until: float = 0.0


@dataclass(slots=True)
class Queue:
    """What is visible, and what is in flight by its receipt handle."""

    name: str
    visible: deque[Message] = field(default_factory=deque)
    in_flight: dict[str, Message] = field(default_factory=dict)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def put(self, sent: Json) -> Message:
        """Take a message in."""
        body = sent["MessageBody"].encode()
        number = next(self.numbers)
        message = Message(f"{self.name}-{number}", sent, _now(), hashlib.md5(body).hexdigest())
        self.visible.append(message)
        self.arrived.set()
        return message

    def take(self, limit: int, visibility: int) -> list[Json]:
        """Up to `limit` messages, hidden from now on."""
        now = time.monotonic()
        # They are in the order in which they were hidden, and nearly all for the same time.
        while self.in_flight and next(iter(self.in_flight.values())).until <= now:
            self.visible.append(self.in_flight.pop(next(iter(self.in_flight))))
        taken: list[Json] = []
        while self.visible and len(taken) < limit:
            message = self.visible.popleft()
            message.count += 1
            message.first_received = message.first_received or _now()
            message.until = now + visibility
            handle = f"{message.id}#{message.count}"
            self.in_flight[handle] = message
            taken.append(_delivered(message, handle))
        if not self.visible:
            self.arrived.clear()
        return taken

    def delete(self, handle: str) -> None:
        """Delete a message, if the handle is still good."""
        self.in_flight.pop(handle, None)

    def hide(self, handle: str, seconds: int) -> None:
        """Hide a message for so long from now; for no time makes it visible."""
        message = self.in_flight.pop(handle, None)
        if message is None:
            return
        if seconds:
            message.until = time.monotonic() + seconds
            self.in_flight[handle] = message
            return
        self.visible.append(message)
        self.arrived.set()


class Stub:
    """The service. `latency` is how long each answer is held back, in seconds."""

    def __init__(self, tally: Tally, latency: float) -> None:
        self._tally = tally
        self._latency = latency
        self._queues: dict[str, Queue] = {}
        self._url = ""

    async def serve(self) -> None:
        """Serve for ever, on a free port of this machine."""
        runner = web.ServerRunner(web.Server(self._handle, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        print(self._url, flush=True)
        await asyncio.Event().wait()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        if request.path == PATH:
            return web.json_response(self._tally.steer(request.query_string))
        action = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
        asked = json.loads(await request.read() or "{}")
        if self._latency:
            await asyncio.sleep(self._latency)
        try:
            answer = await self._answer(action, asked)
        except NoSuchQueue:
            return _refusal("com.amazonaws.sqs#QueueDoesNotExist", "There is no such queue.")
        except KeyError as error:
            return _refusal("InvalidAction", f"Not known here: {error}")
        deleted = 1 if action == "DeleteMessage" else len(answer.get("Successful", ()))
        self._tally.note(action, len(answer.get("Messages", ())), deleted if "Delete" in action else 0)
        return _json(answer)

    async def _answer(self, action: str, asked: Json) -> Json:
        if action == RECEIVE:
            return await self._receive(self._queue(asked), asked)
        if action == "ListQueues":
            prefix = asked.get("QueueNamePrefix", "")
            return {"QueueUrls": [self._url_of(name) for name in self._queues if name.startswith(prefix)]}
        if action == "CreateQueue":
            self._queues.setdefault(asked["QueueName"], Queue(asked["QueueName"]))
        if action in ("CreateQueue", "GetQueueUrl"):
            return {"QueueUrl": self._url_of(self._queue(asked).name)}
        if action == "GetQueueAttributes":
            return {"Attributes": _attributes(self._queue(asked))}
        return self._change(action, self._queue(asked), asked)

    def _change(self, action: str, queue: Queue, asked: Json) -> Json:
        """One message, or each of a batch."""
        step = {
            "SendMessage": _send,
            "DeleteMessage": _delete,
            "ChangeMessageVisibility": _change_visibility,
        }[action.removesuffix("Batch")]
        if not action.endswith("Batch"):
            return step(queue, asked)
        return {"Successful": [{"Id": entry["Id"], **step(queue, entry)} for entry in asked["Entries"]]}

    async def _receive(self, queue: Queue, asked: Json) -> Json:
        self._tally.waiting += 1
        while self._tally.shut:  # noqa: ASYNC110 - the tally is shared with a server of threads
            await asyncio.sleep(0.005)
        self._tally.waiting -= 1
        limit = min(asked.get("MaxNumberOfMessages", 1), MOST_ENTRIES)
        visibility = asked.get("VisibilityTimeout", DEFAULT_VISIBILITY)
        end = time.monotonic() + asked.get("WaitTimeSeconds", 0)
        while not (messages := queue.take(limit, visibility)) and (left := end - time.monotonic()) > 0:
            try:
                await asyncio.wait_for(queue.arrived.wait(), min(left, 1.0))
            except TimeoutError:
                continue  # a message may be visible again
        return {"Messages": messages} if messages else {}

    def _queue(self, asked: Json) -> Queue:
        name = asked.get("QueueName") or asked["QueueUrl"].rpartition("/")[2]
        if name not in self._queues:
            raise NoSuchQueue
        return self._queues[name]

    def _url_of(self, name: str) -> str:
        return f"{self._url}/000000000000/{name}"


def _delivered(message: Message, handle: str) -> Json:
    return {
        "MessageId": message.id,
        "ReceiptHandle": handle,
        "Body": message.sent["MessageBody"],
        "MD5OfBody": message.md5,
        "Attributes": {
            "SenderId": "stub",
            "SentTimestamp": str(message.sent_at),
            "ApproximateReceiveCount": str(message.count),
            "ApproximateFirstReceiveTimestamp": str(message.first_received),
        },
    }


def _attributes(queue: Queue) -> dict[str, str]:
    return {
        "ApproximateNumberOfMessages": str(len(queue.visible)),
        "ApproximateNumberOfMessagesDelayed": "0",
        "ApproximateNumberOfMessagesNotVisible": str(len(queue.in_flight)),
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "VisibilityTimeout": str(DEFAULT_VISIBILITY),
    }


def _send(queue: Queue, entry: Json) -> Json:
    message = queue.put(entry)
    return {"MessageId": message.id, "MD5OfMessageBody": message.md5}


def _delete(queue: Queue, entry: Json) -> Json:
    queue.delete(entry["ReceiptHandle"])
    return {}


def _change_visibility(queue: Queue, entry: Json) -> Json:
    queue.hide(entry["ReceiptHandle"], entry["VisibilityTimeout"])
    return {}


def _refusal(kind: str, message: str) -> web.Response:
    return _json({"__type": kind, "message": message}, 400)


def _json(content: Json, status: int = 200) -> web.Response:
    body = json.dumps(content, separators=(",", ":")).encode()
    return web.Response(body=body, status=status, content_type="application/x-amz-json-1.0")


def _now() -> int:
    return int(time.time() * 1000)


if __name__ == "__main__":
    uvloop.run(Stub(Tally(), float(sys.argv[1]) / 1000 if len(sys.argv) > 1 else 0.0).serve())
