"""The emulator as a child process: it ends with its parent, comes again when it dies, and keeps its state."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from e2e.apps import is_running

from funchost.bindings.errors import ConfigurationError
from funchost.host.emulator.process import EmulatorProcess, check_reachable

DEADLINE = 30.0

#: A parent that is killed: it prints the child's process id and port, and waits.
_PARENT = """
import asyncio, os, sys
from pathlib import Path
from funchost.host.emulator.process import EmulatorProcess

async def main():
    emulator = EmulatorProcess(state=Path(sys.argv[1]), environ=os.environ)
    await emulator.start()
    print(emulator.pid, emulator.url, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def client(service: str, url: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def send(url: str, queue: str, body: str) -> None:
    sqs = client("sqs", url)
    sqs.send_message(QueueUrl=sqs.create_queue(QueueName=queue)["QueueUrl"], MessageBody=body)


def received(url: str, queue: str) -> list[str]:
    sqs = client("sqs", url)
    answer = sqs.receive_message(
        QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"], MaxNumberOfMessages=10
    )
    return [message["Body"] for message in answer.get("Messages", ())]


def queues(url: str) -> list[str]:
    found: list[str] = client("sqs", url).list_queues().get("QueueUrls", [])
    return [each.rpartition("/")[2] for each in found]


async def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def ended(emulator: EmulatorProcess, work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    finally:
        await emulator.stop()


async def test_it_serves_until_it_is_stopped() -> None:
    emulator = EmulatorProcess(environ=os.environ)
    url = await emulator.start()
    pid = emulator.pid
    await asyncio.to_thread(send, url, "jobs", "a")
    await check_reachable(url)
    await emulator.stop()
    assert pid is not None and not is_running(pid)
    assert emulator.pid is None
    with pytest.raises(ConfigurationError, match="There is no emulator at"):
        await check_reachable(url)
    await emulator.stop()


async def test_a_profile_that_does_not_exist_does_not_keep_it_from_serving() -> None:
    emulator = EmulatorProcess(environ={**os.environ, "AWS_PROFILE": "missing"})
    url = await emulator.start()
    await ended(emulator, lambda: asyncio.to_thread(send, url, "jobs", "a"))


async def test_what_it_holds_is_there_again_after_a_stop(tmp_path: Path) -> None:
    state = tmp_path / "state.zip"
    before = EmulatorProcess(state=state, environ=os.environ)
    url = await before.start()
    await asyncio.to_thread(send, url, "jobs", "kept")
    await before.stop()
    after = EmulatorProcess(state=state, environ=os.environ)
    url = await after.start()

    async def look() -> None:
        assert await asyncio.to_thread(received, url, "jobs") == ["kept"]

    await ended(after, look)


async def test_when_it_dies_it_is_told_once_and_started_again_on_its_port() -> None:
    said: list[str] = []
    again = asyncio.Event()
    emulator = EmulatorProcess(environ=os.environ, report=said.append)

    async def restarted() -> None:
        again.set()

    emulator.on_restart = restarted
    url = await emulator.start()

    async def work() -> None:
        await asyncio.to_thread(send, url, "jobs", "lost")
        assert emulator.pid is not None
        os.kill(emulator.pid, signal.SIGKILL)
        # Whoever calls meanwhile waits, and is not refused.
        assert await asyncio.to_thread(queues, url) == []
        await asyncio.wait_for(again.wait(), DEADLINE)
        assert said == [
            "The emulator is gone, and is started again: it was ended by SIGKILL. What it held is lost."
        ]

    await ended(emulator, work)


async def test_a_state_that_cannot_be_used_is_the_reason_why_it_does_not_start(tmp_path: Path) -> None:
    state = tmp_path / "notes.txt"
    state.write_text("remember the milk")
    emulator = EmulatorProcess(state=state, environ=os.environ)
    with pytest.raises(ConfigurationError, match=r"cannot start: .*notes\.txt is not a state file"):
        await emulator.start()
    assert state.read_text() == "remember the milk"


async def test_two_of_them_do_not_share_a_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state.zip"
    first = EmulatorProcess(state=state, environ=os.environ)
    await first.start()

    async def work() -> None:
        second = EmulatorProcess(state=state, environ=os.environ)
        with pytest.raises(ConfigurationError, match="Another emulator keeps its state in"):
            await second.start()

    await ended(first, work)


def test_a_port_that_is_taken_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        EmulatorProcess(taken.getsockname()[1], environ=os.environ)


async def test_it_ends_when_its_parent_is_killed_and_saves_first(tmp_path: Path) -> None:
    state = tmp_path / "state.zip"
    command = (sys.executable, "-c", _PARENT, str(state))
    parent = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    pid, url = (await parent.stdout.readline()).decode().split()
    await asyncio.to_thread(send, url, "jobs", "kept")
    parent.kill()
    await parent.wait()
    # The same port and state, at once: what is about to end is waited for.
    emulator = EmulatorProcess(int(url.rpartition(":")[2]), state=state, environ=os.environ)
    assert await emulator.start() == url

    async def look() -> None:
        assert await asyncio.to_thread(received, url, "jobs") == ["kept"]

    await ended(emulator, look)
    await until(lambda: not is_running(int(pid)))


async def test_the_state_is_saved_while_it_runs(tmp_path: Path) -> None:
    state = tmp_path / "state.zip"
    emulator = EmulatorProcess(state=state, environ=os.environ)
    url = await emulator.start()

    async def work() -> None:
        await asyncio.to_thread(send, url, "jobs", "kept")
        await until(state.exists)
        os.kill(emulator.pid or 0, signal.SIGKILL)
        assert await asyncio.to_thread(received, url, "jobs") == ["kept"]

    await ended(emulator, work)
