"""Which trigger type is which class."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint

import msgspec
import pytest
from fakes import make_function, memory_resources
from other_package import installed_with

from funchost.bindings.errors import ConfigurationError
from funchost.triggers.base import Trigger
from funchost.triggers.fields import ManualTriggerFields
from funchost.triggers.manual import ManualTrigger
from funchost.triggers.registry import TRIGGER_TYPES, trigger_class


class MqttFields(msgspec.Struct):
    topic: str


class MqttTrigger(Trigger):
    type = "mqttTrigger"
    Fields = MqttFields


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """Entry points that other packages are taken to have brought."""
    yield from installed_with(monkeypatch, MqttTrigger=MqttTrigger, NoTrigger=object)


def _entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, "funchost.triggers")


def _refusal(type_: str) -> ConfigurationError:
    """Why no function can have a trigger of that type."""
    with pytest.raises(ConfigurationError) as refused:
        trigger_class(type_)(make_function(type_), TRIGGER_TYPES[type_](), memory_resources())
    return refused.value


@pytest.mark.parametrize(
    "type_", ["httpTrigger", "queueTrigger", "blobTrigger", "fileTrigger", "timerTrigger"]
)
def test_a_built_in_type_is_its_class_and_has_its_fields(type_: str) -> None:
    found = trigger_class(type_)
    assert found.type == type_
    assert found.Fields is TRIGGER_TYPES[type_]


def test_another_package_brings_a_type(installed: list[EntryPoint]) -> None:
    installed.append(_entry("mqttTrigger", "other_package:MqttTrigger"))
    assert trigger_class("mqttTrigger") is MqttTrigger
    assert TRIGGER_TYPES["mqttTrigger"] is MqttFields
    assert {"queueTrigger", "mqttTrigger"} <= set(TRIGGER_TYPES)
    assert "amqpTrigger" not in TRIGGER_TYPES


def test_an_unknown_type_names_the_nearest(installed: list[EntryPoint]) -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'queueTrigger'") as raised:
        trigger_class("queueTriger")
    assert raised.value.key == "type"


def test_an_unknown_type_that_is_near_to_none_names_all(installed: list[EntryPoint]) -> None:
    installed.append(_entry("mqttTrigger", "other_package:MqttTrigger"))
    with pytest.raises(ConfigurationError, match=r"httpTrigger.*mqttTrigger"):
        trigger_class("zzz")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("nowhere:Thing", "cannot be imported: No module named 'nowhere'"),
        ("other_package:Missing", "cannot be imported: AttributeError"),
        ("other_package:NoTrigger", "is no subclass of funchost.triggers.base.Trigger"),
    ],
)
def test_a_package_that_brings_nothing_usable_is_named_to_those_who_ask_for_it(
    installed: list[EntryPoint], value: str, reason: str
) -> None:
    installed += [_entry("mqttTrigger", value), _entry("amqpTrigger", "other_package:MqttTrigger")]
    error = _refusal("mqttTrigger")
    assert f"mqttTrigger ({value}) {reason}" in str(error)
    assert (error.key, value in (error.fix or "")) == ("type", True)
    assert trigger_class("amqpTrigger") is MqttTrigger


def test_two_of_one_type_are_refused_to_those_who_ask_for_it(installed: list[EntryPoint]) -> None:
    installed += [
        _entry("mqttTrigger", "other_package:MqttTrigger"),
        _entry("mqttTrigger", "another:Trigger"),
        _entry("amqpTrigger", "other_package:MqttTrigger"),
    ]
    error = _refusal("mqttTrigger")
    assert "another:Trigger and other_package:MqttTrigger" in str(error)
    assert error.fix == "Uninstall all but one of them."
    assert trigger_class("amqpTrigger") is MqttTrigger


def test_our_own_types_cannot_be_replaced(installed: list[EntryPoint]) -> None:
    installed.append(_entry("queueTrigger", "other_package:MqttTrigger"))
    assert trigger_class("queueTrigger").__name__ == "QueueTrigger"
    assert TRIGGER_TYPES["queueTrigger"] is not MqttFields


async def test_a_manual_trigger_runs_by_hand_only() -> None:
    trigger = ManualTrigger(make_function("manualTrigger"), ManualTriggerFields(), memory_resources())

    async def never(event: object) -> object:
        raise AssertionError("it listens for nothing")

    listener = trigger.listener(never)  # type: ignore[arg-type]
    await listener.start()
    assert listener.state == "ready"
    await listener.stop()
    assert trigger.describe() == "funchost run Work"
    event = await trigger.manual_event(b"data")
    assert (event.kind, event.body) == ("manual", b"data")
    assert (await trigger.manual_event(None)).body == b""
