import dataclasses
import datetime
import io
import json
import logging
import typing

import azure.functions as func
import pydantic

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


class Line(pydantic.BaseModel):
    article: str
    count: int = 1


class Order(pydantic.BaseModel):
    id: int
    day: datetime.date
    lines: list[Line] = []


class Row(typing.TypedDict):
    id: int


@dataclasses.dataclass
class Basket:
    owner: str
    orders: list[Order]


MESSAGES = {
    "text": lambda: "plain",
    "bytes": lambda: b"\xff\x00",
    "message": lambda: func.QueueMessage(id="1", body="[1, 2]"),
    "list": lambda: ["a", "b"],
    "tuple": lambda: ("a", "b"),
    "generator": lambda: (str(number) for number in range(3)),
    "messages": lambda: [func.QueueMessage(body="a"), "b"],
    "array": lambda: '["a", {"b": 1}, 5]',
    "object": lambda: '{"a": 1}',
    "dict": lambda: {"a": [1]},
    "model": lambda: Line(article="pen"),
    "empty": lambda: "",
    "none": lambda: None,
    "number": lambda: 5,
    "blobs": lambda: [b"a"],
    "broken": lambda: "[1,]",
    "response": lambda: func.HttpResponse("a"),
}


@app.route(route="send/{how}")
@app.queue_output(arg_name="msgs", queue_name="sent-{how}", connection="AzureWebJobsStorage")
def send(req: func.HttpRequest, msgs) -> str:
    how = req.route_params["how"]
    if how == "twice":
        msgs.set("first")
        msgs.set("second")
    elif how == "withdrawn":
        msgs.set("first")
        msgs.set(None)
    elif how != "unset":
        msgs.set(MESSAGES[how]())
    return f"{how}: {isinstance(msgs, func.Out)}"


@app.queue_trigger(arg_name="msg", queue_name="asked", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="$return", queue_name="replied", connection="AzureWebJobsStorage")
def reply(msg: func.QueueMessage) -> typing.List[str]:
    return [msg.get_body().decode(), "and more"]


CONTENTS = {
    "text": lambda source: "späm",
    "bytes": lambda source: b"\xff\x00",
    "bytearray": lambda source: bytearray(b"abc"),
    "file": lambda source: io.BytesIO(b"from a file"),
    "textfile": lambda source: io.StringIO("from a text file"),
    "copy": lambda source: source,
    "dict": lambda source: {"a": [1]},
    "number": lambda source: 5,
    "set": lambda source: {"a"},
}


@app.route(route="write/{how}")
@app.blob_output(arg_name="file", path="files/{how}.txt", connection="AzureWebJobsStorage")
@app.blob_input(arg_name="source", path="files/text.txt", connection="AzureWebJobsStorage")
def write(req: func.HttpRequest, file, source) -> str:
    how = req.route_params["how"]
    file.set(CONTENTS[how](source))
    return how


@app.route(route="read_stream/{name}")
@app.blob_input(arg_name="file", path="files/{name}.txt", connection="AzureWebJobsStorage")
def read_stream(req: func.HttpRequest, file: func.InputStream) -> str:
    return f"{type(file).__name__} {file.name} {file.length} {file.read(2)} {file.read()}" if file else "missing"


@app.route(route="read_unannotated/{name}")
@app.blob_input(arg_name="file", path="files/{name}.txt", connection="AzureWebJobsStorage")
def read_unannotated(req, file):
    return f"{type(file).__name__} {file.read()}" if file else "missing"


@app.route(route="read_text/{name}")
@app.blob_input(arg_name="file", path="files/{name}.txt", connection="AzureWebJobsStorage")
def read_text(req: func.HttpRequest, file: str) -> str:
    return f"{file!r}"


@app.route(route="read_bytes/{name}")
@app.blob_input(arg_name="file", path="files/{name}.txt", connection="AzureWebJobsStorage")
def read_bytes(req: func.HttpRequest, file: bytes) -> str:
    return f"{file!r}"


@app.route(route="read_dict/{name}")
@app.blob_input(arg_name="file", path="files/{name}.txt", connection="AzureWebJobsStorage")
def read_dict(req: func.HttpRequest, file: typing.Optional[dict]) -> str:
    return f"{file!r}"


@app.route(route="read_list/{name}")
@app.blob_input(arg_name="file", path="files/{name}.txt", connection="AzureWebJobsStorage")
def read_list(req: func.HttpRequest, file: list[int]) -> str:
    return f"{file!r}"


@app.queue_trigger(arg_name="msg", queue_name="queue-message", connection="AzureWebJobsStorage")
def queue_message(msg: func.QueueMessage) -> None:
    known = (msg.id, msg.dequeue_count, msg.insertion_time, msg.expiration_time, msg.time_next_visible, msg.pop_receipt)
    logging.info("message: %s %r", msg.get_body(), [type(each).__name__ for each in known])


@app.queue_trigger(arg_name="msg", queue_name="queue-unannotated", connection="AzureWebJobsStorage")
def queue_unannotated(msg) -> None:
    logging.info("unannotated: %s %r", type(msg).__name__, msg.get_json())


@app.queue_trigger(arg_name="msg", queue_name="queue-text", connection="AzureWebJobsStorage")
def queue_text(msg: str) -> None:
    logging.info("text: %r", msg)


@app.queue_trigger(arg_name="msg", queue_name="queue-bytes", connection="AzureWebJobsStorage")
def queue_bytes(msg: bytes) -> None:
    logging.info("bytes: %r", msg)


@app.queue_trigger(arg_name="msg", queue_name="queue-dict", connection="AzureWebJobsStorage")
def queue_dict(msg: dict) -> None:
    logging.info("dict: %r", msg)


@app.queue_trigger(arg_name="msg", queue_name="queue-number", connection="AzureWebJobsStorage")
def queue_number(msg: float) -> None:
    logging.info("number: %r", msg)


@app.queue_trigger(arg_name="msg", queue_name="queue-order", connection="AzureWebJobsStorage")
def queue_order(msg: Order) -> None:
    logging.info("order: %r", msg)


@app.queue_trigger(arg_name="msg", queue_name="queue-rows", connection="AzureWebJobsStorage")
def queue_rows(msg: list[Row]) -> None:
    logging.info("rows: %r", msg)


@app.queue_trigger(arg_name="msg", queue_name="queue-basket", connection="AzureWebJobsStorage")
def queue_basket(msg: Basket) -> None:
    logging.info("basket: %r", msg)


@app.blob_trigger(arg_name="file", path="blobs-stream/{name}", connection="AzureWebJobsStorage")
def blob_stream(file: func.InputStream) -> None:
    logging.info("blob stream: %s %s %s %s", file.name, file.length, bool(file.uri), file.read())


@app.blob_trigger(arg_name="file", path="blobs-text/{name}", connection="AzureWebJobsStorage")
def blob_text(file: str) -> None:
    logging.info("blob text: %r", file)


@app.blob_trigger(arg_name="file", path="blobs-bytes/{name}", connection="AzureWebJobsStorage")
def blob_bytes(file: bytes) -> None:
    logging.info("blob bytes: %r", file)


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def tick_request(timer: func.TimerRequest) -> None:
    logging.info("tick: %s %s", timer.past_due, sorted(timer.schedule_status))


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def tick_text(timer: str) -> None:
    logging.info("tick text: %s", json.loads(timer)["IsPastDue"])


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def tick_dict(timer: dict) -> None:
    logging.info("tick dict: %s", timer["IsPastDue"])


@app.route()
@app.table_output(arg_name="row", table_name="rows", partition_key="p", connection="AzureWebJobsStorage")
def put_row(req: func.HttpRequest, row: func.Out[str]) -> str:
    row.set(req.get_body().decode())
    return "put"


@app.route(route="row_text/{key}")
@app.table_input(arg_name="row", table_name="rows", partition_key="p", row_key="{key}", connection="AzureWebJobsStorage")
def row_text(req: func.HttpRequest, row: str) -> str:
    return f"{type(row).__name__} {[each['text'] for each in json.loads(row)]}"


@app.route(route="row_unannotated/{key}")
@app.table_input(arg_name="row", table_name="rows", partition_key="p", row_key="{key}", connection="AzureWebJobsStorage")
def row_unannotated(req, row):
    return f"{type(row).__name__} {[each['text'] for each in json.loads(row)]}"


@app.route(route="row_bytes/{key}")
@app.table_input(arg_name="row", table_name="rows", partition_key="p", row_key="{key}", connection="AzureWebJobsStorage")
def row_bytes(req: func.HttpRequest, row: bytes) -> str:
    return f"{type(row).__name__} {[each['text'] for each in json.loads(row)]}"


@app.route(route="row_dict/{key}")
@app.table_input(arg_name="row", table_name="rows", partition_key="p", row_key="{key}", connection="AzureWebJobsStorage")
def row_dict(req: func.HttpRequest, row: dict) -> str:
    return f"{type(row).__name__} {row and row['text']}"


@app.route(route="row_list/{key}")
@app.table_input(arg_name="row", table_name="rows", partition_key="p", row_key="{key}", connection="AzureWebJobsStorage")
def row_list(req: func.HttpRequest, row: list[dict]) -> str:
    return f"{type(row).__name__} {[each['text'] for each in row]}"


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
@app.table_input(arg_name="row", table_name="rows", partition_key="p", row_key="none", connection="AzureWebJobsStorage")
def implicit(timer: func.TimerRequest, row: str):
    return {"row": row}


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def no_place(timer: func.TimerRequest):
    return "nowhere to go"


async def late():
    return "late"


@app.route()
def forgotten(req: func.HttpRequest):
    return late()


@app.generic_trigger(arg_name="msg", type="serviceBusTrigger", queue_name="orders", connection="Bus")
def bus(msg: func.ServiceBusMessage) -> None:
    logging.info("bus: %s %s %s", msg.get_body(), msg.delivery_count, bool(msg.message_id))


@app.generic_trigger(arg_name="events", type="eventHubTrigger", event_hub_name="hub", connection="Hub", cardinality="many")
def hub(events: typing.List[func.EventHubEvent]) -> None:
    logging.info("hub: %s", [event.get_body() for event in events])


@app.generic_trigger(arg_name="event", type="eventGridTrigger")
@app.generic_output_binding(arg_name="docs", type="cosmosDB", database_name="db", container_name="c", connection="Cosmos")
def grid(event: func.EventGridEvent, docs: func.Out[func.Document]) -> None:
    docs.set(func.Document.from_dict({"id": event.id, "data": event.get_json()}))


@app.generic_trigger(arg_name="name", type="activityTrigger")
def activity(name: str) -> str:
    return f"Hello {name}!"


@app.generic_trigger(arg_name="context", type="orchestrationTrigger")
def orchestrator(context):
    return json.dumps({"isDone": True, "given": context.body})
