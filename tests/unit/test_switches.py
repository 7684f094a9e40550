"""Functions and queues that people have switched: what is kept of that, and how a host goes by it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from fakes import make_function
from waiting import until
from workbenches import Bench

from funchost.bindings.errors import NotFound, StoreError
from funchost.host import switches as module
from funchost.host.operations.queues import pause_queue
from funchost.host.operations.switches import (
    disable,
    enable,
    known_names,
    list_switches,
    pause,
    resume,
    switches_document,
)
from funchost.host.switches import SCOPE, Switches

DEFINED = {"Work": False, "Off": True}


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def known(bench: Bench, **how: Any) -> Switches:
    switches = Switches(bench.state, **how)
    await switches.begin()
    return switches


# -- what people do


async def test_a_pause_is_kept_until_it_is_taken_back(bench: Bench) -> None:
    assert await pause(bench.workbench, ["Work"]) == ["Work"]
    assert await pause(bench.workbench, ["Work"]) == []
    document = switches_document((await list_switches(bench.workbench, DEFINED))[1])
    now = bench.clock.now().isoformat()
    assert (document["name"], document["paused"]) == ("Work", {"since": now, "by": "cli:ada"})
    assert await resume(bench.workbench, ["Work", "Off"]) == ["Work"]
    assert (await list_switches(bench.workbench, DEFINED))[1].paused is None
    assert [row[:2] for row in bench.audit.rows] == [
        ("functions.pause", "Work"),
        ("functions.resume", "Work"),
    ]


@pytest.mark.parametrize(("name", "defined"), DEFINED.items())
async def test_a_switch_is_stronger_than_the_definition_and_is_forgotten_where_both_agree(
    bench: Bench, name: str, defined: bool
) -> None:
    against, back = (enable, disable) if defined else (disable, enable)
    assert await back(bench.workbench, [name], DEFINED) == []
    assert await against(bench.workbench, [name], DEFINED) == [name]
    assert await against(bench.workbench, [name], DEFINED) == []
    function = replace(make_function(name=name), disabled=defined)
    assert (await known(bench)).applied(function).disabled is not defined
    assert await back(bench.workbench, [name], DEFINED) == [name]
    assert await bench.state.items(SCOPE) == {}
    assert (await known(bench)).applied(function).disabled is defined


async def test_what_is_switched_is_told_in_words(bench: Bench) -> None:
    await pause(bench.workbench, ["Work"])
    await enable(bench.workbench, ["Off"], DEFINED)
    off, work = [function.told for function in await list_switches(bench.workbench, DEFINED)]
    assert work.startswith("paused (since 2026-03-01 ")
    assert work.endswith(", by cli:ada)")
    assert off.startswith("enabled (since 2026-03-01 ")
    await disable(bench.workbench, ["Off", "Work"], DEFINED)
    off, work = [function.told for function in await list_switches(bench.workbench, DEFINED)]
    assert off == "disabled (by its definition or a setting)"
    assert work.startswith("disabled (since 2026-03-01 ")


def test_names_are_taken_in_any_case_and_once() -> None:
    assert known_names(["work", "OFF", "Work"], DEFINED) == ["Work", "Off"]
    with pytest.raises(NotFound, match="Did you mean Work"):
        known_names(["Wrk"], DEFINED)
    with pytest.raises(NotFound, match="There are: Work, Off"):
        known_names(["zebra"], DEFINED)


# -- how a host goes by it


async def test_a_function_is_held_by_its_own_pause_or_by_that_of_its_queue(bench: Bench) -> None:
    function = make_function(name="Work", fields={"queueName": "orders"})
    assert (await known(bench)).pause_of(function) is None
    await pause_queue(bench.workbench, "orders")
    switches = await known(bench)
    told = switches.told(function)
    assert told is not None
    assert told.startswith("paused: queue orders (since 2026-03-01 ")
    for other in (
        make_function(name="Other", fields={"queueName": "jobs"}),
        make_function("blobTrigger", {"path": "orders"}, name="Third"),
    ):
        assert switches.pause_of(other) is None
    await pause(bench.workbench, ["work"])
    told = (await known(bench)).told(function)
    assert told is not None
    assert told.startswith("paused (since 2026-03-01 ")


async def test_a_paused_queue_holds_those_whose_connections_lead_to_it(bench: Bench) -> None:
    await pause_queue(bench.workbench, "orders", "Cloud")
    switches = await known(bench, leads={"Cloud": 1, "Same": 1, "Other": 2, "": 3}.get)
    held = {
        name: switches.pause_of(make_function(fields={"queueName": "orders", "connection": name})) is not None
        for name in ("Cloud", "Same", "Other", "")
    }
    assert held == {"Cloud": True, "Same": True, "Other": False, "": False}


async def test_what_is_kept_by_another_version_is_passed_over(bench: Bench) -> None:
    await bench.state.put(SCOPE, "frozen:work", {"kind": "frozen", "name": "Work"})
    await bench.state.put(SCOPE, "x", 7)
    await pause(bench.workbench, ["Work"])
    assert (await known(bench)).pause_of(make_function(name="Work")) is not None


async def test_a_change_is_applied_at_once(bench: Bench) -> None:
    applied: list[str | None] = []
    switches = await known(bench)

    async def apply() -> None:
        applied.append(switches.told(make_function(name="Work")))

    following = asyncio.create_task(switches.follow(apply))
    await until(lambda: applied)
    await pause(bench.workbench, ["Work"])
    await until(lambda: len(applied) == 2)
    await resume(bench.workbench, ["Work"])
    await until(lambda: len(applied) == 3)
    following.cancel()
    assert [told is not None for told in applied] == [False, True, False]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN", 0.001)
    monkeypatch.setattr(module, "START_LIMIT", 0.05)


@pytest.mark.usefixtures("soon")
async def test_what_cannot_be_read_is_told_once_and_read_when_it_can_be(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pause(bench.workbench, ["Work"])
    told: list[str] = []
    tries: list[str] = []
    works, items = asyncio.Event(), bench.state.items

    async def sometimes(scope: str) -> Any:
        tries.append(scope)
        if not works.is_set():
            raise StoreError("The store is away.")
        return await items(scope)

    monkeypatch.setattr(bench.state, "items", sometimes)
    switches = await known(bench, report=told.append)
    function = make_function(name="Work")
    assert switches.pause_of(function) is None

    async def apply() -> None: ...

    following = asyncio.create_task(switches.follow(apply))
    await until(lambda: len(tries) > 3)
    works.set()
    await until(lambda: switches.pause_of(function))
    following.cancel()
    assert told == ["What is paused or disabled cannot be read, which is tried again: The store is away."]


@pytest.mark.usefixtures("soon")
async def test_a_start_does_not_wait_for_a_store_that_hangs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(scope: str) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(bench.state, "items", hang)
    told: list[str] = []
    await known(bench, report=told.append)
    assert told == ["What is paused or disabled cannot be read, which is tried again: there is no answer"]
