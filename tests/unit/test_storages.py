"""Which provider is which class, and what becomes of one that cannot be used: it takes out who asked for it, alone."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from fakes import ManualClock, make_function, make_outcome, memory_resources
from other_package import installed_with

from funchost.bindings.aws.storage import AwsStorage
from funchost.bindings.clock import Clock
from funchost.bindings.errors import ConfigurationError
from funchost.bindings.memory_queues import MemoryQueues
from funchost.bindings.queue import OutgoingMessage, QueueMessage
from funchost.bindings.storage import QUEUES, ConnectionSettings, Storage
from funchost.bindings.storages import make_storage, storage_type
from funchost.host.app.discovery import Discovery
from funchost.host.configuration import Configuration, HostOptions
from funchost.triggers.base import Outcome, TriggerEvent
from funchost.triggers.fields import QueueTriggerFields
from funchost.triggers.queue import QueueTrigger

SETTINGS = ConnectionSettings(name="Shared", setting="Shared")


class NatsStorage(Storage):
    """A storage of another package, which wants to know its server."""

    provides = frozenset({QUEUES})

    def __init__(self, settings: ConnectionSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        if "server" not in settings.values:
            raise ConfigurationError("It has no server.", fix=f"Set {settings.setting}__server.")
        self.port = int(settings.values.get("port", "4222"))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """Entry points that other packages are taken to have brought."""
    yield from installed_with(monkeypatch, NatsStorage=NatsStorage, NoStorage=object)


def entry(name: str, value: str = "other_package:NatsStorage") -> EntryPoint:
    return EntryPoint(name, value, "funchost.storage")


def refusal(provider: str) -> ConfigurationError:
    """Why nothing can be made of a provider."""
    with pytest.raises(ConfigurationError) as refused:
        make_storage(provider, SETTINGS, ManualClock())
    return refused.value


# -- which class


def test_another_package_brings_a_storage_whose_name_may_have_capitals(installed: list[EntryPoint]) -> None:
    installed.append(entry("NATS"))
    assert storage_type("nats") is NatsStorage


def test_our_own_providers_cannot_be_replaced(installed: list[EntryPoint]) -> None:
    installed += [entry("aws"), entry("embedded")]
    assert storage_type("aws") is AwsStorage
    assert storage_type("embedded") is Storage


def test_a_class_is_imported_only_when_its_provider_is_named(installed: list[EntryPoint]) -> None:
    installed += [entry("nats"), entry("broken", "nowhere:Thing")]
    assert storage_type("nats") is NatsStorage
    assert "nowhere" not in sys.modules


# -- what is refused


def test_an_unknown_provider_names_the_nearest_and_what_to_install(installed: list[EntryPoint]) -> None:
    installed.append(entry("nats"))
    error = refusal("natz")
    assert str(error) == (
        "The connection 'Shared' leads to the storage 'natz', which no installed package provides."
    )
    assert error.fix == (
        "Did you mean nats? A package that brings another one is installed into the host's environment."
    )


def test_an_unknown_provider_that_is_near_to_none_names_all(installed: list[EntryPoint]) -> None:
    installed.append(entry("nats"))
    assert "There are: aws, nats." in (refusal("zzz").fix or "")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("nowhere:Thing", "cannot be imported: No module named 'nowhere'"),
        ("other_package:Missing", "cannot be imported: AttributeError"),
        ("other_package:NoStorage", "is no subclass of funchost.bindings.storage.Storage"),
    ],
)
def test_a_package_that_brings_nothing_usable_is_named(
    installed: list[EntryPoint], value: str, reason: str
) -> None:
    installed.append(entry("nats", value))
    error = refusal("nats")
    assert f"leads to the storage 'nats' ({value}), which {reason}" in str(error)
    assert value in (error.fix or "")


def test_two_packages_of_one_name_are_refused_to_those_who_ask_for_it(installed: list[EntryPoint]) -> None:
    installed += [entry("nats"), entry("Nats", "another:Storage"), entry("redis")]
    error = refusal("nats")
    assert "another:Storage and other_package:NatsStorage" in str(error)
    assert error.fix == "Uninstall all but one of them."
    assert storage_type("redis") is NatsStorage


def test_what_a_provider_says_of_its_settings_goes_through(installed: list[EntryPoint]) -> None:
    installed.append(entry("nats"))
    error = refusal("nats")
    assert (str(error), error.fix) == ("It has no server.", "Set Shared__server.")


def test_a_provider_that_fails_with_its_settings_is_told_as_a_refusal(installed: list[EntryPoint]) -> None:
    installed.append(entry("nats"))
    settings = ConnectionSettings(name="Shared", setting="Shared", values={"server": "x", "port": "many"})
    with pytest.raises(
        ConfigurationError, match="fails with the settings of the connection 'Shared'"
    ) as error:
        make_storage("nats", settings, ManualClock())
    assert "many" in str(error.value)
    assert "Shared__" in (error.value.fix or "")


# -- what becomes of an app


def app(root: Path, *connections: str) -> None:
    """An app with a function for each connection, and one that needs none."""
    (root / "host.json").write_text('{"version": "2.0"}')
    triggers = [
        {"type": "queueTrigger", "name": "job", "queueName": "orders", "connection": connection}
        for connection in connections
    ]
    for number, trigger in enumerate([*triggers, {"type": "httpTrigger", "name": "job"}]):
        folder = root / f"work{number}"
        folder.mkdir()
        (folder / "__init__.py").write_text("def main(job): ...")
        (folder / "function.json").write_text(json.dumps({"bindings": [trigger]}))


def found(root: Path, **settings: str) -> Discovery:
    return Configuration(HostOptions(root=root, environ=settings)).finder.find()


@pytest.mark.parametrize("value", [None, "nowhere:Thing", "other_package:NoStorage"])
def test_a_storage_that_cannot_be_used_takes_out_the_functions_that_name_it_alone(
    tmp_path: Path, installed: list[EntryPoint], value: str | None
) -> None:
    if value:
        installed.append(entry("nats", value))
    app(tmp_path, "Shared", "")
    discovery = found(tmp_path, Shared__provider="nats")
    assert [function.name for function in discovery.functions] == ["work1", "work2"]
    [problem] = discovery.problems
    assert (problem.file, problem.key) == ("work0/function.json", "bindings[0].connection")
    assert "leads to the storage 'nats'" in problem.message
    assert problem.fix


def test_refused_settings_are_told_with_the_fix_that_the_provider_gives(
    tmp_path: Path, installed: list[EntryPoint]
) -> None:
    installed.append(entry("nats"))
    app(tmp_path, "Shared")
    [problem] = found(tmp_path, Shared__provider="nats").problems
    assert (problem.message, problem.fix) == ("It has no server.", "Set Shared__server.")
    assert found(tmp_path, Shared="provider=nats;server=localhost").problems == ()


def test_an_unknown_provider_of_the_hosts_own_storage_leaves_the_embedded_one(
    tmp_path: Path, installed: list[EntryPoint]
) -> None:
    app(tmp_path, "Other", "AzureWebJobsStorage")
    environ = {"AzureWebJobsStorage__provider": "nats", "Other": "UseDevelopmentStorage=true"}
    configuration = Configuration(HostOptions(root=tmp_path, environ=environ))
    assert [function.name for function in configuration.finder.find().functions] == ["work0", "work2"]
    [problem] = configuration.settings.problems
    assert (problem.key, problem.severity) == ("AzureWebJobsStorage", "warning")
    assert "leads to the storage 'nats', which no installed package provides." in problem.message
    assert "stay in the embedded store" in problem.message
    assert "There are: aws." in (problem.fix or "")


# -- what fails at run time


class Moody(MemoryQueues):
    """Queues that fail as nobody foresaw, until they are well."""

    ill = True

    async def receive(
        self, queue: str, limit: int, lease: timedelta = timedelta(minutes=1)
    ) -> list[QueueMessage]:
        if self.ill:
            raise KeyError("partition")
        return await super().receive(queue, limit, lease)


async def test_a_store_that_fails_as_nobody_foresaw_is_told_and_tried_again() -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    queues = Moody(ManualClock())
    resources = memory_resources(queues=queues, report=told.put_nowait)
    trigger = QueueTrigger(make_function(), QueueTriggerFields(queueName="orders"), resources)
    ran = asyncio.Event()

    async def deliver(event: TriggerEvent) -> Outcome:
        ran.set()
        outcome = make_outcome()
        assert event.settle is not None
        await event.settle(outcome)
        return outcome

    listener = trigger.listener(deliver)
    await listener.start()
    message = await asyncio.wait_for(told.get(), 5)
    assert message == "The queue 'orders' of Work cannot be read: KeyError('partition')"
    assert listener.state == "failing: KeyError('partition')"
    queues.ill = False
    await queues.send([OutgoingMessage(queue="orders", body=b"one")])
    await asyncio.wait_for(ran.wait(), 5)
    assert listener.state == "listening"
    await listener.stop()
    assert told.empty(), "a reason is told once in a row"
