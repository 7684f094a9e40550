"""Table bindings of a function: how they are checked, read before a call and stored after it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from fakes import ManualClock, make_function, make_outcome, memory_resources

from funchost.bindings.errors import BindingError
from funchost.bindings.memory_queues import MemoryQueues
from funchost.bindings.queue import OutgoingMessage
from funchost.bindings.table import EntityConflict, OutgoingEntity
from funchost.host.app.binding_checks import check_binding
from funchost.host.app.discovery import Discovery, Finder
from funchost.host.config.report import Report
from funchost.host.config.settings import Settings
from funchost.host.execution.binder import Binder
from funchost.host.execution.executor import store_outputs
from funchost.triggers.base import Outcome, Status, TriggerEvent
from funchost.triggers.descriptor import Binding, QueuePolicy
from funchost.triggers.queue_listener import QueueListener


def entity(row: str, partition: str = "p", **properties: Any) -> OutgoingEntity:
    return OutgoingEntity(table="people", partition_key=partition, row_key=row, properties=properties)


def table(direction: str, **fields: Any) -> Binding:
    return Binding(type="table", name="rows", direction=direction, fields={"tableName": "People", **fields})


class Bench:
    """Queues and tables in memory, and a function with one table binding."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.queues = MemoryQueues(self.clock)
        self.resources = memory_resources(clock=self.clock, queues=self.queues)

    async def put(self, *entities: OutgoingEntity) -> None:
        await self.queues.send((), entities)

    async def row(self, row: str) -> dict[str, Any] | None:
        found = await self.queues.tables.get("people", "p", row)
        return found.properties if found else None

    async def read(self, metadata: dict[str, Any] | None = None, **fields: Any) -> Any:
        """What the input brings, as a value; None for nothing."""
        binder = Binder(make_function(bindings=(table("in", **fields),)), self.resources)
        assert binder.has_inputs
        [(name, kind, content)] = await binder.inputs(metadata or {})
        assert name == "rows"
        if kind == "none":
            assert content == b""
            return None
        assert kind == "json"
        return json.loads(content)

    async def rows(self, metadata: dict[str, Any] | None = None, **fields: Any) -> list[str]:
        return [each["RowKey"] for each in await self.read(metadata, **fields)]

    def write(
        self, value: Any, kind: str = "json", metadata: dict[str, Any] | None = None, **fields: Any
    ) -> list[OutgoingEntity]:
        binder = Binder(make_function(bindings=(table("out", **fields),)), self.resources)
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        outputs = binder.outputs([("rows", kind, content)], metadata or {}, {})
        assert all(store is self.queues for store, _ in outputs.entities)
        return [each for _, each in outputs.entities]


@pytest.fixture
def bench() -> Bench:
    return Bench()


# -- what a binding may say


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("tableName", "my-table", "is not a table name"),
        ("tableName", "My{", "There is a single"),
        ("partitionKey", "a/b", "none of / \\ # ?"),
        ("rowKey", "{", "There is a single"),
        ("rowKey", "x" * 1025, "at most 1 KiB"),
        ("filter", "Name eq", "The filter cannot be read"),
        ("filter", "Name eq '{'", "There is a single"),
    ],
)
def test_what_cannot_be_is_told_before_anything_runs(key: str, value: str, sentence: str) -> None:
    report = Report("f/function.json")
    check_binding("table", {"tableName": "People", key: value}, report, ("bindings", 0))
    [problem] = report.problems
    assert (problem.severity, problem.key) == ("error", f"bindings[0].{key}")
    assert sentence in problem.message and problem.fix


def test_what_depends_on_the_event_is_left_for_then() -> None:
    fields = {
        "tableName": "People{year}",
        "partitionKey": "",
        "rowKey": "{a.b}",
        "filter": "Name eq '{name}' and {more}",
    }
    report = Report("f/function.json")
    assert check_binding("table", fields, report, ()) == fields
    assert report.problems == []


def test_a_connection_that_leads_elsewhere_takes_the_function_out(tmp_path: Path) -> None:
    folder = tmp_path / "Work"
    folder.mkdir()
    (folder / "__init__.py").touch()
    rows = {"type": "table", "name": "rows", "tableName": "People", "connection": "Cloud", "take": "5"}
    document = {"bindings": [{"type": "manualTrigger", "name": "x"}, rows]}
    (folder / "function.json").write_text(json.dumps(document))

    def found(cloud: str) -> Discovery:
        settings = Settings.load(tmp_path, {"Cloud": cloud})
        return Finder(root=tmp_path, settings=settings.app, host_json=settings.host_json, only=None).find()

    [problem] = found("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=b").problems
    assert (problem.severity, problem.key) == ("error", "bindings[1].connection")
    [function] = found("UseDevelopmentStorage=true").functions
    assert function.bindings[0].fields == {"tableName": "People", "connection": "Cloud", "take": 5}


# -- inputs


async def test_both_keys_bring_a_list_of_one_entity(bench: Bench) -> None:
    await bench.put(entity("1", Name="Ada", Age=36), entity("2"))
    [found] = await bench.read(partitionKey="p", rowKey="1")
    assert list(found.items()) == [("PartitionKey", "p"), ("RowKey", "1"), ("Name", "Ada"), ("Age", 36)]


async def test_an_entity_that_is_not_there_is_an_empty_list(bench: Bench) -> None:
    assert await bench.read(partitionKey="p", rowKey="1") == []


@pytest.mark.parametrize("key", ["a/b", "x" * 2000, "\ud800", "\x00"])
async def test_a_key_that_no_entity_can_have_finds_nothing(bench: Bench, key: str) -> None:
    assert await bench.read({"id": key}, partitionKey="p", rowKey="{id}") == []
    assert await bench.read({"id": key}, partitionKey="{id}", rowKey="1") == []


async def test_without_both_keys_there_is_a_list(bench: Bench) -> None:
    await bench.put(entity("2"), entity("1"), entity("2", "q"))
    assert await bench.rows() == ["1", "2", "2"]
    assert await bench.rows(partitionKey="q") == ["2"]
    assert await bench.rows(partitionKey="x") == []
    assert [each["PartitionKey"] for each in await bench.read(rowKey="2")] == ["p", "q"]


async def test_an_empty_key_in_the_binding_is_none(bench: Bench) -> None:
    await bench.put(entity("1"))
    assert await bench.rows(partitionKey="", rowKey="", filter="") == ["1"]


async def test_a_filter_and_a_limit_narrow_the_list(bench: Bench) -> None:
    await bench.put(*[entity(str(n), Age=n) for n in range(5)])
    assert await bench.rows(filter="Age ge 2") == ["2", "3", "4"]
    assert await bench.rows(filter="Age ge 2", take=2) == ["2", "3"]
    assert await bench.rows(take=0) == ["0", "1", "2", "3", "4"], "no limit, as in Azure"


async def test_a_filter_cannot_lead_out_of_the_partition(bench: Bench) -> None:
    await bench.put(entity("1", Age=1), entity("2", "q", Age=2))
    assert await bench.rows(partitionKey="p", filter="Age eq 1 or Age eq 2") == ["1"]
    assert await bench.rows({"filter": "true or true"}, partitionKey="p", filter="{filter}") == ["1"]


async def test_expressions_are_filled_from_the_event(bench: Bench) -> None:
    await bench.put(entity("1", Name="Ada"), entity("2", Name="O'Hara"))
    event = {"kind": "ople", "id": "2", "name": "O'Hara", "part": "p"}
    [found] = await bench.read(event, tableName="pe{kind}", partitionKey="{part}", rowKey="{id}")
    assert found["Name"] == "O'Hara"
    assert await bench.rows(event, filter="Name eq '{name}'") == ["2"]


@pytest.mark.parametrize(
    "fields",
    [
        {"rowKey": "{id}", "partitionKey": "p"},
        {"filter": "Name eq '{id}'"},
        {"tableName": "{id}"},
        {"tableName": "a{kind}"},
        {"filter": "{kind} eq 1"},
        {"filter": "Name {kind}"},
    ],
)
async def test_what_cannot_be_filled_in_fails_the_run(bench: Bench, fields: dict[str, str]) -> None:
    with pytest.raises(BindingError):
        await bench.read({"kind": "-/-"}, **fields)


# -- outputs


@pytest.mark.parametrize("kind", ["text", "json", "bytes"])
def test_an_output_is_json_however_it_comes(bench: Bench, kind: str) -> None:
    rows = [{"RowKey": "1", "Name": "Ada"}, {"RowKey": "2", "PartitionKey": "q"}]
    assert bench.write(rows, kind, partitionKey="p") == [entity("1", Name="Ada"), entity("2", "q")]


def test_keys_of_the_binding_are_filled_from_the_event(bench: Bench) -> None:
    fields = {"partitionKey": "{part}", "rowKey": "row-{id}"}
    assert bench.write({}, metadata={"part": "p", "id": 7}, **fields) == [entity("row-7")]


def test_an_output_that_was_not_given_is_no_entity(bench: Bench) -> None:
    assert bench.write(b"", kind="none") == []


def test_what_is_no_entity_fails_the_run(bench: Bench) -> None:
    with pytest.raises(BindingError, match="The output 'rows' \\(table\\) needs a RowKey"):
        bench.write({"PartitionKey": "p"})


# -- stored with the rest


def outcome_of(bench: Bench, *rows: str) -> Outcome:
    return make_outcome(
        messages=[(bench.queues, OutgoingMessage(queue="bills", body=b"bill"))],
        entities=[(bench.queues, entity(row)) for row in rows],
    )


async def test_without_a_settlement_of_its_own_all_outputs_are_one_step(bench: Bench) -> None:
    await store_outputs(outcome_of(bench, "1"))
    with pytest.raises(EntityConflict):
        await store_outputs(outcome_of(bench, "2", "1"))
    assert [message.body for message in await bench.queues.peek("bills", 10)] == [b"bill"]
    assert await bench.row("1") == {}
    assert await bench.row("2") is None


async def settled(bench: Bench, outcome: Outcome) -> list[Status]:
    """Have a queue listener run one message to that outcome; how it was settled, in order."""
    tried: list[Status] = []
    done = asyncio.Event()

    async def deliver(event: TriggerEvent) -> Outcome:
        """What the executor does: a settlement that raises is made again as a failure."""
        assert event.settle
        for each in (outcome, make_outcome(Status.FAILED)):
            tried.append(each.status)
            try:
                await event.settle(each)
                break
            except EntityConflict:
                pass
        done.set()
        return outcome

    async def to_event(message: Any) -> TriggerEvent:
        return TriggerEvent(kind="queue", body=message.body)

    listener = QueueListener(
        function="Work",
        queue="orders",
        store=bench.queues,
        policy=QueuePolicy(max_dequeue_count=1),
        deliver=deliver,
        to_event=to_event,
        poison_queue="orders-poison",
        resources=bench.resources,
    )
    await bench.queues.send([OutgoingMessage(queue="orders", body=b"order")])
    await listener.start()
    async with asyncio.timeout(5):
        await done.wait()
    await listener.stop()
    return tried


async def test_a_message_ends_together_with_its_entities(bench: Bench) -> None:
    assert await settled(bench, outcome_of(bench, "1", "2")) == [Status.SUCCEEDED]
    assert await bench.row("2") == {}
    assert [depth.visible for depth in await bench.queues.depths()] == [1, 0]


async def test_a_conflict_fails_the_run_and_the_message_ends_as_after_any_failure(bench: Bench) -> None:
    await bench.put(entity("2"))
    assert await settled(bench, outcome_of(bench, "1", "2")) == [Status.SUCCEEDED, Status.FAILED]
    assert await bench.row("1") is None
    assert await bench.queues.peek("bills", 1) == []
    assert [message.body for message in await bench.queues.peek("orders-poison", 1)] == [b"order"]


async def test_entities_of_another_connection_go_there(bench: Bench) -> None:
    elsewhere = MemoryQueues(bench.clock)
    outcome = make_outcome(entities=[(elsewhere, entity("1")), (bench.queues, entity("2"))])
    assert await settled(bench, outcome) == [Status.SUCCEEDED]
    assert await elsewhere.tables.get("people", "p", "1")
    assert await bench.row("1") is None and await bench.row("2") == {}
