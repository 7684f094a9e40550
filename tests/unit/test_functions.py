"""Functions in service: which listeners run while a host drains, and which are made anew."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar, cast

import msgspec
import pytest
from fakes import make_function, memory_resources

from funchost.host import functions as module
from funchost.host.execution.executor import Executor
from funchost.host.functions import Functions
from funchost.host.switches import SCOPE, Switch, Switches, SwitchKind, switch_key
from funchost.triggers.base import Deliver, Trigger
from funchost.triggers.descriptor import FunctionDescriptor


class NoFields(msgspec.Struct):
    """A trigger with nothing to say."""


class FakeListener:
    """Ends once what it has in flight is released."""

    def __init__(self) -> None:
        self.state = "new"
        self.released = asyncio.Event()

    async def start(self) -> None:
        self.state = "listening"

    async def stop(self) -> None:
        self.state = "stopping"
        await self.released.wait()
        self.state = "stopped"


class FakeTrigger(Trigger):
    type = "fake"
    Fields = NoFields
    made: ClassVar[dict[str, list[FakeListener]]] = {}

    def listener(self, deliver: Deliver) -> FakeListener:
        listener = FakeListener()
        self.made.setdefault(self.function.name, []).append(listener)
        return listener


class FakeExecutor:
    def __init__(self) -> None:
        self.trouble: dict[str, str] = {}

    def deliver(self, function: FunctionDescriptor) -> Deliver:
        return cast(Deliver, None)

    def waits(self, function: str) -> str | None:
        return self.trouble.get(function)


class Bench:
    """Three functions in service: one of HTTP and two others."""

    def __init__(self) -> None:
        self.executor = FakeExecutor()
        resources = memory_resources()
        self.state = resources.state
        self.switches = Switches(resources.state)
        self.functions = Functions(cast(Executor, self.executor), resources, switches=self.switches)
        self.found = [
            make_function("httpTrigger", name="Ask"),
            make_function(name="Work"),
            make_function(name="Tick"),
        ]
        self.arrange()

    def arrange(self) -> None:
        self.functions.arrange(self.found, [], {}, triggers={}, still_served=lambda name: True)

    async def switch(self, kind: SwitchKind, name: str, *, on: bool | None = True) -> None:
        """Switch something, or take that back (None), and have it noticed."""
        since = datetime(2026, 3, 1, tzinfo=UTC)
        value = None if on is None else Switch(kind=kind, name=name, since=since, by="cli:ada", on=on)
        await self.state.put(SCOPE, switch_key(kind, name), value)
        await self.switches.begin()
        await self.functions.switch()
        await self.settle_down()

    @property
    def states(self) -> dict[str, list[str]]:
        return {name: [one.state for one in made] for name, made in FakeTrigger.made.items()}

    async def settle_down(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(module, "trigger_class", lambda kind: FakeTrigger)
    monkeypatch.setattr(FakeTrigger, "made", {})
    return Bench()


async def test_a_function_whose_events_wait_says_what_for(bench: Bench) -> None:
    await bench.functions.listen()
    bench.executor.trouble["Work"] = "no network"
    assert {status.name: status.state for status in bench.functions.status()} == {
        "Ask": "listening",
        "Tick": "listening",
        "Work": "waiting: no network",
    }


async def test_a_pause_stops_all_listeners_but_those_of_http(bench: Bench) -> None:
    await bench.functions.listen()
    bench.functions.pause()
    await bench.settle_down()

    assert bench.states == {"Ask": ["listening"], "Work": ["stopping"], "Tick": ["stopping"]}
    assert [one.state for one in bench.functions.status()] == ["listening", "not listening", "not listening"]


async def test_listeners_start_again_though_older_ones_still_have_something_in_flight(bench: Bench) -> None:
    await bench.functions.listen()
    bench.functions.pause()
    await bench.functions.resume()
    await bench.settle_down()

    again = ["stopping", "listening"]
    assert bench.states == {"Ask": ["listening"], "Work": again, "Tick": again}


async def test_what_changes_during_a_pause_listens_after_it(bench: Bench) -> None:
    await bench.functions.listen()
    bench.functions.pause()
    bench.found = [*bench.found[:2], make_function(name="New")]
    bench.arrange()
    await bench.functions.listen()
    assert "New" not in bench.states
    await bench.functions.resume()
    await bench.settle_down()

    assert bench.states["New"] == ["listening"]
    assert bench.states["Work"] == ["stopping", "listening"]
    assert bench.states["Tick"] == ["stopping"]


async def test_a_stop_waits_for_what_a_pause_left_in_flight(bench: Bench) -> None:
    await bench.functions.listen()
    bench.functions.pause()
    stopping = asyncio.create_task(bench.functions.stop())
    for name in ("Ask", "Work"):
        FakeTrigger.made[name][0].released.set()
    await bench.settle_down()
    assert not stopping.done()

    FakeTrigger.made["Tick"][0].released.set()
    await stopping
    assert bench.states == {"Ask": ["stopped"], "Work": ["stopped"], "Tick": ["stopped"]}


async def test_an_arrangement_leaves_what_is_the_same_unless_it_is_to_be_made_anew(bench: Bench) -> None:
    await bench.functions.listen()
    bench.arrange()
    await bench.functions.listen()
    assert bench.states == {key: ["listening"] for key in ("Ask", "Work", "Tick")}

    bench.functions.renew()
    bench.arrange()
    await bench.functions.listen()
    await bench.settle_down()
    assert bench.states == {key: ["stopping", "listening"] for key in ("Ask", "Work", "Tick")}
    bench.arrange()
    await bench.functions.listen()
    assert [len(made) for made in bench.states.values()] == [2, 2, 2]


async def test_what_goes_on_with_its_last_good_version_listens_again_after_a_pause(bench: Bench) -> None:
    await bench.functions.listen()
    bench.functions.keep("The script does not load.")
    bench.functions.pause()
    await bench.functions.resume()
    await bench.settle_down()

    assert bench.states["Work"] == ["stopping", "listening"]


# -- switched by people


async def test_a_paused_function_takes_nothing_new_and_what_runs_goes_on(bench: Bench) -> None:
    await bench.functions.listen()
    await bench.switch(SwitchKind.PAUSED, "work")
    assert bench.states == {"Ask": ["listening"], "Work": ["stopping"], "Tick": ["listening"]}
    states = {one.name: one.state for one in bench.functions.status()}
    assert states["Work"].startswith("paused (since 2026-0")
    assert states["Work"].endswith(", by cli:ada)")

    await bench.switch(SwitchKind.PAUSED, "work", on=None)
    assert bench.states["Work"] == ["stopping", "listening"]


async def test_a_pause_outlasts_reload_drain_and_a_listener_made_anew(bench: Bench) -> None:
    await bench.functions.listen()
    await bench.switch(SwitchKind.PAUSED, "Work")
    bench.arrange()
    await bench.functions.listen()
    bench.functions.pause()
    await bench.functions.resume()
    work = bench.functions.get("Work")
    assert work is not None
    await bench.functions.revive(work, "it hung", 0.0)
    await bench.settle_down()
    assert bench.states["Work"] == ["stopping"]


async def test_a_pause_during_a_drain_counts_after_it(bench: Bench) -> None:
    await bench.functions.listen()
    bench.functions.pause()
    await bench.switch(SwitchKind.PAUSED, "Work")
    await bench.functions.resume()
    await bench.settle_down()
    assert (bench.states["Work"], bench.states["Tick"]) == (["stopping"], ["stopping", "listening"])


async def test_a_paused_queue_stops_its_listeners_alone(bench: Bench) -> None:
    bench.found[1] = make_function(name="Work", fields={"queueName": "orders"})
    bench.found[2] = make_function(name="Tick", fields={"queueName": "jobs"})
    bench.arrange()
    await bench.functions.listen()
    await bench.switch(SwitchKind.QUEUE, "orders")
    assert bench.states == {"Ask": ["listening"], "Work": ["stopping"], "Tick": ["listening"]}


async def test_a_function_is_disabled_and_enabled_whatever_its_definition_says(bench: Bench) -> None:
    bench.found[2] = replace(bench.found[2], disabled=True)
    bench.arrange()
    await bench.functions.listen()
    assert "Tick" not in bench.states

    await bench.switch(SwitchKind.DISABLED, "Tick", on=False)
    await bench.switch(SwitchKind.DISABLED, "Work")
    assert bench.states == {"Ask": ["listening"], "Work": ["stopping"], "Tick": ["listening"]}
    states = {one.name: (one.disabled, one.state) for one in bench.functions.status()}
    assert states["Tick"] == (False, "listening")
    assert states["Work"][0]
    assert states["Work"][1].startswith("disabled (since 2026-0")

    bench.arrange()
    await bench.functions.listen()
    assert bench.states == {"Ask": ["listening"], "Work": ["stopping"], "Tick": ["listening"]}

    await bench.switch(SwitchKind.DISABLED, "Tick", on=None)
    await bench.switch(SwitchKind.DISABLED, "Work", on=None)
    assert bench.states["Tick"] == ["stopping"]
    assert bench.states["Work"] == ["stopping", "listening"]
    assert {one.name: one.state for one in bench.functions.status()}["Tick"] == "disabled"


async def test_a_function_that_is_switched_keeps_what_is_wrong_with_it(bench: Bench) -> None:
    await bench.functions.listen()
    bench.functions.keep("The script does not load.")
    await bench.switch(SwitchKind.DISABLED, "Work")
    work = bench.functions.get("Work")
    assert work is not None
    assert (work.error, work.outdated) == ("The script does not load.", True)
