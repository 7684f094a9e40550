"""A run is made once more: what it is run for, and when it cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fakes import make_function, make_outcome, memory_resources
from memory_history import MemoryHistory, make_run, text

from funchost.bindings.errors import ConfigurationError, NotFound
from funchost.bindings.history import Kept, RunRecord, RunState
from funchost.bindings.memory_blobs import MemoryBlobs
from funchost.host.functions import Functions
from funchost.host.operations.replay import (
    Refused,
    ServedRunner,
    StillRunning,
    check_ended,
    editable_input,
    goes_by_queue,
    left_out,
    new_messages,
    replay_event,
    replay_input,
    replay_messages,
    takes_data,
)
from funchost.host.workers.pool import Pool
from funchost.triggers.base import Outcome, Resources, Trigger, TriggerEvent
from funchost.triggers.blob import BlobTrigger
from funchost.triggers.descriptor import Binding, FunctionDescriptor
from funchost.triggers.fields import (
    BlobTriggerFields,
    FileTriggerFields,
    HttpTriggerFields,
    TimerTriggerFields,
    UnservedFields,
)
from funchost.triggers.file import FileTrigger
from funchost.triggers.http import HttpTrigger
from funchost.triggers.http_endpoint import FrontOptions
from funchost.triggers.timer import TimerTrigger
from funchost.triggers.unserved import UnservedTrigger

ORDERS = make_function(fields={"queueName": "orders", "connection": "Other"}, name="work")
BATCHES = FunctionDescriptor(
    name="work",
    directory=Path("app/work"),
    script_file=Path("app/work/__init__.py"),
    entry_point="main",
    trigger=Binding(type="queueTrigger", name="input", fields={"queueName": "orders"}, cardinality="many"),
    bindings=(),
    policy=ORDERS.policy,
)


class OneFunction:
    """A host with a function."""

    def __init__(self, trigger: Trigger) -> None:
        self._trigger = trigger

    def trigger(self, function: str) -> Trigger:
        return self._trigger

    async def run_event(self, function: str, event: TriggerEvent) -> Outcome:
        return make_outcome()


async def event_of(run: RunRecord, trigger: Trigger, data: bytes | None = None) -> TriggerEvent:
    return await replay_event(MemoryHistory(run), OneFunction(trigger), run, data)


# -- in general


def test_only_a_run_that_has_ended_is_replayed() -> None:
    check_ended(make_run(state=RunState.ABANDONED))
    with pytest.raises(StillRunning, match="runs cancel"):
        check_ended(make_run(state=RunState.RUNNING))


def test_only_runs_of_queues_go_by_a_message_and_places_and_timers_take_no_data() -> None:
    kinds = ("queueTrigger", "httpTrigger", "blobTrigger", "fileTrigger", "timerTrigger", "manualTrigger")
    runs = [make_run(trigger=kind) for kind in kinds]
    assert [goes_by_queue(run) for run in runs] == [True, False, False, False, False, False]
    assert [takes_data(run) for run in runs] == [True, True, False, False, False, True]


async def test_an_input_that_is_offloaded_is_read_whole() -> None:
    run = make_run(input=Kept("bytes", b"be", 9))
    history = MemoryHistory(run)
    history.whole[run.id, "input"] = b"beginning"
    assert await replay_input(history, run) == b"beginning"


@pytest.mark.parametrize("kept", [Kept("stream"), Kept("bytes", b"be", 9)])
async def test_an_input_that_is_not_kept_is_refused_with_what_to_do(kept: Kept) -> None:
    run = make_run(input=kept)
    with pytest.raises(NotFound, match=r"is not kept.*--data"):
        await replay_input(MemoryHistory(run), run)


async def test_no_input_is_an_empty_one() -> None:
    run = make_run(input=Kept())
    assert await replay_input(MemoryHistory(run), run) == b""


# -- by a message


def test_a_message_goes_to_the_queue_of_the_function_and_names_the_old_run_alone() -> None:
    run = make_run(parent="father")
    [message] = replay_messages(run, ORDERS, b"body")
    assert (message.queue, message.body) == ("orders", b"body")
    assert message.properties == {"replayOf": run.id}


def test_a_batch_becomes_the_messages_that_it_was() -> None:
    run = make_run(event={"sizes": [3, 0, 2]})
    assert [one.body for one in replay_messages(run, BATCHES, b"abcde")] == [b"abc", b"", b"de"]


@pytest.mark.parametrize("event", [{}, {"sizes": []}, {"sizes": [3, 3]}])
def test_a_batch_whose_messages_cannot_be_told_apart_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="JSON array"):
        replay_messages(make_run(event=event), BATCHES, b"abcde")


def test_new_data_for_a_batch_is_one_message_for_each_element() -> None:
    messages = new_messages(make_run(), BATCHES, b'["a", {"b": 1}]')
    assert [one.body for one in messages] == [b"a", b'{"b":1}']


def test_new_data_for_a_batch_without_an_element_is_refused() -> None:
    with pytest.raises(Refused, match="no message"):
        new_messages(make_run(), BATCHES, b"[]")


def test_a_function_that_is_no_longer_run_by_a_queue_is_refused() -> None:
    timer = make_function("timerTrigger", {"schedule": "0 0 * * * *"})
    with pytest.raises(Refused, match="now run by its timerTrigger"):
        replay_messages(make_run(), timer, b"")


async def test_a_batch_is_edited_as_a_json_array_that_gives_the_same_messages() -> None:
    bodies = [b'{"a": 1}', b"plain", b'"quoted"', b"7"]
    sizes = [len(body) for body in bodies]
    run = make_run(event={"sizes": sizes}, input=text(b"".join(bodies).decode()))
    edited = await editable_input(MemoryHistory(run), run)
    assert json.loads(edited) == [{"a": 1}, "plain", '"quoted"', 7]
    again = [one.body for one in new_messages(run, BATCHES, edited)]
    assert again == [b'{"a":1}', b"plain", b'"quoted"', b"7"]


# -- by the host


def http(fields: HttpTriggerFields | None = None) -> Trigger:
    resources = memory_resources()
    front = SimpleNamespace(options=FrontOptions())
    resources = Resources(
        **{name: getattr(resources, name) for name in Resources.__dataclass_fields__ if name != "http"},
        http=cast(Any, front),
    )
    function = make_function("httpTrigger", {}, name="hello")
    return HttpTrigger(function, fields or HttpTriggerFields(), resources)


REQUEST = {
    "method": "PUT",
    "url": "http://h/api/orders/7?code=***&Name=Bob&tag=a&tag=b",
    "headers": [["host", "h"], ["authorization", "***"], ["content-length", "99"], ["x-my", "1"]],
    "params": {"id": "7"},
}


def request_run(**more: Any) -> RunRecord:
    return make_run(
        "hello",
        trigger="httpTrigger",
        origin="PUT /api/orders/7",
        event=REQUEST,
        input=text('{"a": 1}'),
        **more,
    )


async def test_a_request_is_made_anew_without_its_secrets() -> None:
    run = request_run()
    event = await event_of(run, http())
    assert event.kind == "http"
    assert event.body == b'{"a": 1}'
    assert event.data == {
        "method": "PUT",
        "url": "http://h/api/orders/7?Name=Bob&tag=a&tag=b",
        "headers": [["host", "h"], ["x-my", "1"], ["content-length", "8"]],
        "query": {"Name": "Bob", "tag": "a,b"},
        "params": {"id": "7"},
    }
    assert event.cause.origin == "PUT /api/orders/7"
    assert event.cause.properties == {"replayOf": run.id}
    assert left_out(run) == ["authorization", "code"]


async def test_expressions_see_a_request_as_they_did() -> None:
    event = await event_of(request_run(), http())
    assert event.metadata["a"] == "1"
    assert event.metadata["Name"] == "Bob"
    assert event.metadata["id"] == "7"
    assert event.metadata["headers"]["x-my"] == "1"


async def test_a_route_parameter_stands_over_a_property_of_the_body_in_any_case() -> None:
    event = await event_of(request_run(), http(), b'{"ID": "other"}')
    assert event.metadata["id"] == "7"
    assert "ID" not in event.metadata


async def test_new_data_is_the_body_of_the_same_request() -> None:
    event = await event_of(request_run(), http(), b"new")
    assert event.body == b"new"
    assert ["content-length", "3"] in event.data["headers"]
    assert event.data["method"] == "PUT"


async def test_a_run_by_hand_of_an_http_function_is_one_again() -> None:
    run = make_run("hello", trigger="httpTrigger", input=text("x"))
    assert (await event_of(run, http())).data["method"] == "POST"


def blob(store: MemoryBlobs) -> Trigger:
    function = make_function("blobTrigger", {"path": "inbox/{name}"}, name="work")
    return BlobTrigger(function, BlobTriggerFields(path="inbox/{name}"), memory_resources(blobs=store))


async def test_a_blob_is_read_anew() -> None:
    store = MemoryBlobs()
    await store.put("inbox", "a.txt", b"new content")
    run = make_run(trigger="blobTrigger", origin="inbox/a.txt", input=Kept("stream"))
    event = await event_of(run, blob(store))
    assert (event.kind, event.metadata["name"]) == ("blob", "a.txt")
    assert event.cause.origin == "inbox/a.txt"
    assert event.cause.properties == {"replayOf": run.id}


async def test_another_blob_may_be_named_and_one_that_is_gone_is_told() -> None:
    store = MemoryBlobs()
    await store.put("inbox", "b.txt", b"")
    run = make_run(trigger="blobTrigger", origin="inbox/a.txt")
    assert (await event_of(run, blob(store), b"inbox/b.txt")).cause.origin == "inbox/b.txt"
    with pytest.raises(NotFound, match=r"inbox/a\.txt"):
        await event_of(run, blob(store))


@pytest.mark.parametrize("origin", ["", "by hand"])
async def test_a_run_whose_blob_is_not_known_asks_for_it(origin: str) -> None:
    with pytest.raises(Refused, match="--data container/name"):
        await event_of(make_run(trigger="blobTrigger", origin=origin), blob(MemoryBlobs()))


async def test_a_file_is_found_by_its_place_below_the_triggers_folder(tmp_path: Path) -> None:
    (tmp_path / "import/sub").mkdir(parents=True)
    (tmp_path / "import/sub/a.csv").write_text("content")
    function = make_function("fileTrigger", {"path": "import/sub/{name}"}, name="work")
    resources = memory_resources()
    resources = Resources(
        **{name: getattr(resources, name) for name in Resources.__dataclass_fields__ if name != "root"},
        root=tmp_path,
    )
    trigger = FileTrigger(function, FileTriggerFields(path="import/sub/{name}"), resources)
    run = make_run(trigger="fileTrigger", origin="a.csv")
    event = await event_of(run, trigger)
    assert (event.kind, event.body, event.cause.origin) == ("file", b"content", "a.csv")
    named = await event_of(run, trigger, b"import/sub/a.csv")
    assert (named.body, named.cause.origin) == (b"content", "a.csv")


async def test_a_timer_runs_once_more_with_nothing() -> None:
    function = make_function("timerTrigger", {"schedule": "0 0 * * * *"}, name="work")
    trigger = TimerTrigger(function, TimerTriggerFields(schedule="0 0 * * * *"), memory_resources())
    run = make_run(trigger="timerTrigger", origin="", input=text("{}"))
    event = await event_of(run, trigger)
    assert event.kind == "timer"
    assert event.cause.properties == {"replayOf": run.id}


async def test_a_trigger_that_is_not_served_gets_what_it_was_given() -> None:
    trigger = UnservedTrigger(
        make_function("eventHubTrigger", name="work"), UnservedFields(), memory_resources()
    )
    assert (await event_of(make_run(trigger="eventHubTrigger"), trigger)).body == b"hello"


async def test_a_function_that_has_another_trigger_now_is_refused() -> None:
    with pytest.raises(Refused, match="was run by its timerTrigger, and now has a httpTrigger"):
        await event_of(make_run(trigger="timerTrigger"), http())


# -- the functions of a host


def test_a_host_says_why_it_cannot_run_a_function() -> None:
    status = SimpleNamespace(errors=("it does not load",))
    broken = SimpleNamespace(descriptor=SimpleNamespace(name="broken"), status=status)
    functions = SimpleNamespace(get=lambda name: broken if name == "broken" else None)
    pool = SimpleNamespace(serves=lambda name: False)
    runner = ServedRunner(cast(Functions, functions), cast(Pool, pool))
    with pytest.raises(NotFound, match="'gone'"):
        runner.trigger("gone")
    with pytest.raises(ConfigurationError, match="it does not load"):
        runner.trigger("broken")


async def test_a_host_delivers_the_event_as_any_other() -> None:
    delivered: list[TriggerEvent] = []

    async def deliver(event: TriggerEvent) -> Outcome:
        delivered.append(event)
        return make_outcome()

    served = SimpleNamespace(deliver=deliver)
    functions = cast(Functions, SimpleNamespace(get=lambda name: served if name == "work" else None))
    runner = ServedRunner(functions, cast(Pool, None))
    event = TriggerEvent(kind="manual")
    await runner.run_event("work", event)
    assert delivered == [event]
    with pytest.raises(NotFound):
        await runner.run_event("gone", event)
