"""Triggers that wait for nothing: the warm-up, and those whose service is not spoken here."""

from __future__ import annotations

import pytest
from fakes import make_function, memory_resources

from funchost.bindings.errors import ConfigurationError
from funchost.triggers.base import Outcome, Trigger, TriggerEvent
from funchost.triggers.fields import UnservedFields, WarmupTriggerFields
from funchost.triggers.registry import TRIGGER_TYPES, trigger_class
from funchost.triggers.unserved import UnservedTrigger
from funchost.triggers.warmup import WarmupTrigger


def warmup(name: str) -> WarmupTrigger:
    return WarmupTrigger(make_function("warmupTrigger", name=name), WarmupTriggerFields(), memory_resources())


def unserved() -> UnservedTrigger:
    function = make_function("eventHubTrigger", name="events")
    return UnservedTrigger(function, UnservedFields(), memory_resources())


async def never(event: TriggerEvent) -> Outcome:
    raise AssertionError("nothing starts it")


@pytest.mark.parametrize("trigger", [warmup("Warmup"), unserved()], ids=["warmup", "unserved"])
async def test_nothing_is_listened_for(trigger: Trigger) -> None:
    listener = trigger.listener(never)
    await listener.start()

    assert listener.state == "ready"
    await listener.stop()


@pytest.mark.parametrize("name", ["Warmup", "warmup", "WARMUP"])
async def test_a_warm_up_brings_no_data(name: str) -> None:
    event = await warmup(name).manual_event(b"whatever")

    assert (event.kind, event.body) == ("warmup", b"")


def test_a_warm_up_function_of_another_name_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'WarmMeUp' it would never run"):
        warmup("WarmMeUp")


def test_the_warm_up_is_a_type_of_its_own() -> None:
    assert trigger_class("warmupTrigger") is WarmupTrigger
    assert TRIGGER_TYPES["warmupTrigger"] is WarmupTriggerFields


async def test_a_type_that_is_not_served_gets_the_data_as_it_is() -> None:
    event = await unserved().manual_event(b"an event")

    assert (event.kind, event.body) == ("manual", b"an event")
    assert unserved().describe() == "funchost run events"
