"""Apps that the end-to-end tests write as they go: functions that note in a ledger what they did, and ways to
send to them, wait for them and look into their store."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeVar

import pytest
from e2e.running import DEADLINE, RunningHost

from funchost.bindings.embedded_queue import EmbeddedQueues
from funchost.bindings.queue import OutgoingMessage, PeekedMessage
from funchost.bindings.store import Store

T = TypeVar("T")

#: A module of the app: `note` adds a line that is never torn, whichever process or thread writes it.
_LEDGER = """
import os

_PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ledger.txt")


def note(*words):
    line = " ".join(map(str, words)) + "\\n"
    out = os.open(_PATH, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(out, line.encode())
    os.close(out)
"""


class App:
    """An app root with functions that are written into it."""

    def __init__(self, root: Path, **host_json: Any) -> None:
        self.root = root
        self.store = root / ".funchost"
        root.mkdir(parents=True, exist_ok=True)
        self.write("host.json", json.dumps({"version": "2.0", **host_json}))
        self.write("ledger.py", _LEDGER)

    def add(self, name: str, code: str, *bindings: dict[str, Any], **policies: Any) -> None:
        """Write a function, as an editor would: first the code, then the definition."""
        self.write(f"{name}/__init__.py", code)
        self.write(f"{name}/function.json", json.dumps({"bindings": bindings, **policies}))

    def write(self, path: str, content: str) -> None:
        """Write a file of the app."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(dedent(content))

    def ledger(self, *beginning: str) -> list[str]:
        """The whole lines that functions have noted, those that begin with the words given, without these."""
        try:
            text = (self.root / "ledger.txt").read_text()
        except FileNotFoundError:
            return []
        start = " ".join(beginning)
        return [line.removeprefix(start).strip() for line in text.splitlines() if line.startswith(start)]

    def wait_for_lines(self, count: int, *beginning: str, deadline: float = DEADLINE) -> list[str]:
        """Wait until at least so many such lines have been noted."""
        until(
            lambda: len(self.ledger(*beginning)) >= count,
            deadline,
            lambda: f"{len(self.ledger(*beginning))} of {count} lines {beginning}: {self.ledger()[-20:]}",
        )
        return self.ledger(*beginning)

    def send(self, queue: str, *bodies: str | bytes) -> None:
        """Put messages into a queue, as one more process on the store."""
        messages = [
            OutgoingMessage(queue=queue, body=body.encode() if isinstance(body, str) else body)
            for body in bodies
        ]
        self._on_store(lambda queues: queues.send(messages))

    def peek(self, queue: str) -> list[PeekedMessage]:
        """The messages of a queue, in flight or not."""
        return self._on_store(lambda queues: queues.peek(queue, 5000))

    def wait_for_poison(self, queue: str, count: int = 1, deadline: float = DEADLINE) -> list[dict[str, Any]]:
        """Wait until so many messages were given up; returns the reasons that they carry."""
        until(
            lambda: len(self.peek(f"{queue}-poison")) >= count,
            deadline,
            lambda: f"{len(self.peek(f'{queue}-poison'))} of {count} in the poison queue",
        )
        return [message.properties["poison"] for message in self.peek(f"{queue}-poison")]

    def wait_until_empty(self, queue: str, deadline: float = DEADLINE) -> None:
        """Wait until nothing is left in a queue."""
        until(lambda: not self.peek(queue), deadline, lambda: f"{len(self.peek(queue))} left in {queue}")

    def _on_store(self, work: Callable[[EmbeddedQueues], Awaitable[T]]) -> T:
        async def go() -> T:
            store = Store(self.store)
            try:
                return await work(EmbeddedQueues(store, "test"))
            finally:
                await store.close()

        return asyncio.run(go())


def queue_trigger(queue: str = "jobs", **fields: Any) -> dict[str, Any]:
    """A queueTrigger binding; the function's parameter is `job`."""
    return {"type": "queueTrigger", "name": "job", "queueName": queue, **fields}


def http_trigger(route: str | None = None, **fields: Any) -> dict[str, Any]:
    """An httpTrigger binding; the function's parameter is `req`."""
    return {"type": "httpTrigger", "name": "req", "authLevel": "anonymous", "route": route, **fields}


def queue_output(queue: str = "jobs") -> dict[str, Any]:
    """What the function returns goes into a queue."""
    return {"type": "queue", "name": "$return", "direction": "out", "queueName": queue}


def until(condition: Callable[[], object], deadline: float, what: Callable[[], str] = lambda: "") -> None:
    """Look again and again until the condition holds; fails with `what` after `deadline` seconds."""
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline:g} s: {what()}")
        time.sleep(0.01)


def request(
    host: RunningHost,
    path: str,
    data: bytes | Iterable[bytes] | None = None,
    method: str | None = None,
    **headers: str,
) -> tuple[int, str]:
    """One HTTP request: status and body of its answer, whatever the status. Raises OSError without answer."""
    wanted = urllib.request.Request(host.url + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(wanted, timeout=DEADLINE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode()
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error


def workers(host: RunningHost) -> list[int]:
    """The process ids of the host's workers."""
    status, body = request(host, "/admin/host/status")
    assert status == 200, body
    pids: list[int] = json.loads(body)["workers"]
    return pids


def states(host: RunningHost) -> dict[str, str]:
    """Each function's state, by name."""
    _, body = request(host, "/admin/functions")
    return {one["name"]: one["state"] for one in json.loads(body)}


def is_running(pid: int) -> bool:
    """Whether a process exists and has not ended."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@contextlib.contextmanager
def disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A disk of that size in the place of a folder; skips the test where we may not mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    if mount("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)):
        pytest.skip("a disk of its own can only be mounted by root")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def mount(*arguments: str) -> int:
    """The exit code of the mount command."""
    try:
        return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode
    except FileNotFoundError:
        return 127
