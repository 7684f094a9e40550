"""Signatures of runs and of calls back, and the system keys that they are made with."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from fakes import ManualClock

from funchost.bindings.errors import StoreError
from funchost.bindings.memory_queues import MemoryQueues
from funchost.bindings.memory_state import MemoryState
from funchost.host.callers.signing import Signing
from funchost.host.keys import SYSTEM_RING, Keys


@pytest.fixture
def state() -> MemoryState:
    return MemoryState(MemoryQueues(ManualClock()))


@pytest.fixture
async def keys(state: MemoryState) -> Keys:
    keys = Keys(state)
    await keys.begin()
    return keys


def signature(path: str) -> str:
    return path.partition("?sig=")[2]


async def test_a_signature_opens_its_own_run_alone(keys: Keys) -> None:
    signing = Signing(keys)
    path = await signing.status_path("r-1")
    assert path.startswith("/runs/r-1?sig=")
    assert await signing.opens("r-1", signature(path))
    assert not await signing.opens("r-2", signature(path))
    for wrong in ("", "x", signature(path)[:-1], signature(path) + "A", "\ud800"):
        assert not await signing.opens("r-1", wrong)


async def test_all_hosts_of_an_app_sign_alike(keys: Keys, state: MemoryState) -> None:
    path = await Signing(keys).status_path("r-1")
    other = Keys(state)
    await other.begin()
    assert await Signing(other).opens("r-1", signature(path))


async def test_a_new_key_ends_what_the_old_one_signed(keys: Keys) -> None:
    signing = Signing(keys)
    path = await signing.status_path("r-1")
    await keys.rotate("runs")
    assert not await signing.opens("r-1", signature(path))


async def test_a_call_back_is_signed_with_a_key_that_the_receiver_can_know(keys: Keys) -> None:
    made = await Signing(keys).of_callback("1700000000", b'{"a":1}')
    key = keys.get(SYSTEM_RING, "callbacks")
    assert key is not None
    wanted = hmac.new(key.value.encode(), b'1700000000.{"a":1}', hashlib.sha256).hexdigest()
    assert made == f"sha256={wanted}"


async def test_the_keys_are_made_when_they_are_first_needed_and_open_no_function(keys: Keys) -> None:
    assert keys.ring(SYSTEM_RING) == []
    value = await keys.secret("runs")
    assert await keys.secret("runs") == value
    assert [key.name for key in keys.ring(SYSTEM_RING)] == ["runs"]
    assert not keys.authorize(value, "function", "work")
    assert not keys.authorize(value, "admin", "work")


async def test_without_keys_nothing_is_signed(state: MemoryState) -> None:
    with pytest.raises(StoreError):
        await Signing(Keys(state)).status_path("r-1")
