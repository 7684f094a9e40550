"""Faults on purpose: they strike the calls they are for, and nothing is touched where nobody asks for them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from fakes import ManualClock
from faults.injection import Faults
from waiting import until

from funchost.bindings.embedded_queue import EmbeddedQueues
from funchost.bindings.embedded_state import EmbeddedState
from funchost.bindings.errors import FunchostError, ReceiptLost, StoreError
from funchost.bindings.folder_blobs import FolderBlobs
from funchost.bindings.memory_queues import MemoryQueues
from funchost.bindings.queue import OutgoingMessage, QueueStore
from funchost.host.faults import faulty
from funchost.host.storage import EmbeddedStorage

MESSAGE = OutgoingMessage(queue="jobs", body=b"one")
OTHER = OutgoingMessage(queue="others", body=b"two")


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    return Faults(tmp_path)


@pytest.fixture
def plain() -> MemoryQueues:
    return MemoryQueues(ManualClock())


@pytest.fixture
def queues(faults: Faults, plain: MemoryQueues) -> QueueStore:
    return faulty(Path(faults.env["FUNCHOST_TEST_FAULTS"]), "queues", plain)


async def held(queues: MemoryQueues) -> int:
    return len(await queues.peek("jobs", 10))


async def test_without_a_plan_every_call_passes(queues: QueueStore, plain: MemoryQueues) -> None:
    await queues.send([MESSAGE])
    assert await held(plain) == 1
    assert queues.lease_of("jobs") == plain.lease_of("jobs")


async def test_an_error_before_leaves_all_as_it_was(
    faults: Faults, queues: QueueStore, plain: MemoryQueues
) -> None:
    faults.on("queues.send", "error")
    with pytest.raises(StoreError, match=r"queues\.send fail \(before"):
        await queues.send([MESSAGE])
    assert await held(plain) == 0


async def test_an_error_after_tells_of_a_failure_though_it_was_done(
    faults: Faults, queues: QueueStore, plain: MemoryQueues
) -> None:
    faults.on("queues.send", "error", when="after")
    with pytest.raises(StoreError, match="after it was done"):
        await queues.send([MESSAGE])
    assert await held(plain) == 1


async def test_a_fault_strikes_as_often_as_it_says_and_is_counted(faults: Faults, queues: QueueStore) -> None:
    fault = faults.on("queues.send", "error", times=2)
    for _ in range(2):
        with pytest.raises(StoreError):
            await queues.send([MESSAGE])
    await queues.send([MESSAGE])
    assert fault.struck == 2
    again = faults.on("queues.send", "error", times=1)
    with pytest.raises(StoreError):
        await queues.send([MESSAGE])
    assert (fault.struck, again.struck) == (2, 1)


async def test_a_fault_that_was_switched_off_strikes_no_more(faults: Faults, queues: QueueStore) -> None:
    fault = faults.on("queues.send", "error")
    other = faults.on("queues.peek", "error")
    fault.off()
    await queues.send([MESSAGE])
    with pytest.raises(StoreError):
        await queues.peek("jobs", 1)
    faults.off()
    assert len(await queues.peek("jobs", 1)) == 1
    assert other.struck == 1


async def test_a_fault_about_something_lets_other_calls_pass(faults: Faults, queues: QueueStore) -> None:
    faults.on("queues.send", "error", about="queue='jobs'")
    await queues.send([OTHER])
    with pytest.raises(StoreError):
        await queues.send([MESSAGE])


@pytest.mark.parametrize(
    ("name", "kind"), [("ReceiptLost", ReceiptLost), ("OSError", OSError), ("Exception", Exception)]
)
async def test_an_error_is_of_the_kind_that_is_asked_for(
    faults: Faults, queues: QueueStore, name: str, kind: type[Exception]
) -> None:
    faults.on("queues.send", "error", error=name)
    with pytest.raises(kind) as raised:
        await queues.send([MESSAGE])
    assert type(raised.value) is kind


async def test_a_delay_takes_its_time_and_then_the_call_is_made(
    faults: Faults, queues: QueueStore, plain: MemoryQueues
) -> None:
    faults.on("queues.send", "delay", seconds=0.05)
    began = asyncio.get_running_loop().time()
    await queues.send([MESSAGE])
    assert asyncio.get_running_loop().time() - began >= 0.05
    assert await held(plain) == 1


@pytest.mark.parametrize(("when", "kept"), [("before", 0), ("after", 1)])
async def test_a_call_hangs_until_its_fault_is_switched_off(
    faults: Faults, queues: QueueStore, plain: MemoryQueues, when: str, kept: int
) -> None:
    fault = faults.on("queues.send", "hang", when=when)
    call = asyncio.ensure_future(queues.send([MESSAGE]))
    await until(lambda: fault.struck)
    assert await held(plain) == kept
    assert not call.done()
    fault.off()
    await asyncio.wait_for(call, 5)
    assert await held(plain) == 1


async def test_a_plan_that_is_none_fails_the_call(faults: Faults, queues: QueueStore) -> None:
    Path(faults.env["FUNCHOST_TEST_FAULTS"]).write_text('[{"method": "queues.send", "mode": "explode"}]')
    with pytest.raises(msgspec.ValidationError, match="explode"):
        await queues.send([MESSAGE])


# -- in a host's storage


@pytest.fixture
async def told() -> list[str]:
    return []


@pytest.fixture
async def storage(
    faults: Faults, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[EmbeddedStorage]:
    for name, value in faults.env.items():
        monkeypatch.setenv(name, value)
    storage = EmbeddedStorage(tmp_path / "store", ManualClock(), report=told.append)
    yield storage
    await storage.close()


async def test_a_host_whose_environment_names_a_plan_has_its_faults_and_says_so(
    faults: Faults, storage: EmbeddedStorage, told: list[str]
) -> None:
    assert "FUNCHOST_TEST_FAULTS is set" in told[0]
    faults.on("queues.receive", "error")
    faults.on("state.put", "error")
    faults.on("blobs.put", "error")
    faults.on("leases.acquire", "error", error="Exception")
    for call in (
        storage.queues.receive("jobs", 1),
        storage.state.put("scope", "key", 1),
        storage.blobs.put("files", "name", b""),
    ):
        with pytest.raises(FunchostError, match="A test lets"):
            await call
    with pytest.raises(Exception, match=r"A test lets leases\.acquire"):
        await storage.locks.try_acquire("name")


async def test_without_the_setting_the_stores_are_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FUNCHOST_TEST_FAULTS", raising=False)
    storage = EmbeddedStorage(tmp_path / "store", ManualClock())
    assert type(storage.queues) is EmbeddedQueues
    assert type(storage.state) is EmbeddedState
    assert type(storage.blobs) is FolderBlobs
    await storage.close()


def test_without_the_setting_what_makes_faults_is_not_even_imported() -> None:
    code = (
        "import sys, funchost.host.host, funchost.host.storage; print('funchost.host.faults' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "False"
