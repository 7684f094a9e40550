"""Requests that are gathered into calls."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from funchost.bindings.aws import batching
from funchost.bindings.aws.batching import Batcher


class Service:
    """Notes each call; what is in `errors` goes wrong, and a call waits while it is told to."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.errors: dict[str, Exception] = {}
        self.called, self.go_on = asyncio.Event(), asyncio.Event()
        self.go_on.set()

    async def __call__(self, items: Sequence[str]) -> Sequence[Exception | None]:
        self.calls.append(list(items))
        self.called.set()
        await self.go_on.wait()
        return [self.errors.get(item) for item in items]


@pytest.fixture
def service() -> Service:
    return Service()


async def test_what_comes_together_goes_in_one_call(service: Service) -> None:
    batcher = Batcher[str](service)
    await asyncio.gather(*map(batcher.put, "abc"))
    assert service.calls == [["a", "b", "c"]]


async def test_ten_go_at_once_and_the_rest_after_them(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "LINGER", 3600)
    batcher = Batcher[str](service)
    await asyncio.gather(*map(batcher.put, "abcdefghij"))
    assert service.calls == [list("abcdefghij")]


async def test_heavy_ones_are_spread_over_calls(service: Service) -> None:
    batcher = Batcher[str](service, weigh=lambda item: 600_000)
    await asyncio.gather(*map(batcher.put, "abc"))
    assert service.calls == [["a"], ["b"], ["c"]]


async def test_each_is_told_what_became_of_it(service: Service) -> None:
    service.errors["b"] = ValueError("b")
    batcher = Batcher[str](service)
    results = await asyncio.gather(*map(batcher.put, "abc"), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), ValueError, type(None)]


async def test_a_call_that_fails_fails_for_all_in_it() -> None:
    async def fail(items: Sequence[str]) -> Sequence[Exception | None]:
        raise OSError("gone")

    batcher = Batcher[str](fail)
    results = await asyncio.gather(*map(batcher.put, "ab"), return_exceptions=True)
    assert [str(result) for result in results] == ["gone", "gone"]


async def test_in_order_one_call_waits_for_the_other(service: Service) -> None:
    service.go_on.clear()
    batcher = Batcher[str](service, in_order=True)
    puts = asyncio.gather(*map(batcher.put, "abcdefghijk"))
    await service.called.wait()
    assert service.calls == [list("abcdefghij")]
    service.go_on.set()
    await puts
    assert service.calls[1] == ["k"]


async def test_who_has_gone_does_not_trouble_the_others(service: Service) -> None:
    service.go_on.clear()
    batcher = Batcher[str](service)
    gone, stays = (asyncio.ensure_future(batcher.put(item)) for item in "ab")
    await service.called.wait()
    gone.cancel()
    service.go_on.set()
    await stays
    assert gone.cancelled()
