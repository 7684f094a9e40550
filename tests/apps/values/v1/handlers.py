import dataclasses
import datetime
import io
import json
import logging
import typing

import azure.functions as func
import pydantic


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


def write(req: func.HttpRequest, file, source) -> str:
    how = req.route_params["how"]
    file.set(CONTENTS[how](source))
    return how


def read_stream(req: func.HttpRequest, file: func.InputStream) -> str:
    return f"{type(file).__name__} {file.name} {file.length} {file.read(2)} {file.read()}" if file else "missing"


def read_unannotated(req, file):
    return f"{type(file).__name__} {file.read()}" if file else "missing"


def read_text(req: func.HttpRequest, file: str) -> str:
    return f"{file!r}"


def read_bytes(req: func.HttpRequest, file: bytes) -> str:
    return f"{file!r}"


def read_dict(req: func.HttpRequest, file: typing.Optional[dict]) -> str:
    return f"{file!r}"


def read_list(req: func.HttpRequest, file: list[int]) -> str:
    return f"{file!r}"


def queue_message(msg: func.QueueMessage) -> None:
    known = (msg.id, msg.dequeue_count, msg.insertion_time, msg.expiration_time, msg.time_next_visible, msg.pop_receipt)
    logging.info("message: %s %r", msg.get_body(), [type(each).__name__ for each in known])


def queue_unannotated(msg) -> None:
    logging.info("unannotated: %s %r", type(msg).__name__, msg.get_json())


def queue_text(msg: str) -> None:
    logging.info("text: %r", msg)


def queue_bytes(msg: bytes) -> None:
    logging.info("bytes: %r", msg)


def queue_dict(msg: dict) -> None:
    logging.info("dict: %r", msg)


def queue_number(msg: float) -> None:
    logging.info("number: %r", msg)


def queue_order(msg: Order) -> None:
    logging.info("order: %r", msg)


def queue_rows(msg: list[Row]) -> None:
    logging.info("rows: %r", msg)


def queue_basket(msg: Basket) -> None:
    logging.info("basket: %r", msg)


def blob_stream(file: func.InputStream) -> None:
    logging.info("blob stream: %s %s %s %s", file.name, file.length, bool(file.uri), file.read())


def blob_text(file: str) -> None:
    logging.info("blob text: %r", file)


def blob_bytes(file: bytes) -> None:
    logging.info("blob bytes: %r", file)


def tick_request(timer: func.TimerRequest) -> None:
    logging.info("tick: %s %s", timer.past_due, sorted(timer.schedule_status))


def tick_text(timer: str) -> None:
    logging.info("tick text: %s", json.loads(timer)["IsPastDue"])


def tick_dict(timer: dict) -> None:
    logging.info("tick dict: %s", timer["IsPastDue"])


def put_row(req: func.HttpRequest, row: func.Out[str]) -> str:
    row.set(req.get_body().decode())
    return "put"


def row_text(req: func.HttpRequest, row: str) -> str:
    return f"{type(row).__name__} {[each['text'] for each in json.loads(row)]}"


def row_unannotated(req, row):
    return f"{type(row).__name__} {[each['text'] for each in json.loads(row)]}"


def row_bytes(req: func.HttpRequest, row: bytes) -> str:
    return f"{type(row).__name__} {[each['text'] for each in json.loads(row)]}"


def row_dict(req: func.HttpRequest, row: dict) -> str:
    return f"{type(row).__name__} {row and row['text']}"


def row_list(req: func.HttpRequest, row: list[dict]) -> str:
    return f"{type(row).__name__} {[each['text'] for each in row]}"


def implicit(timer: func.TimerRequest, row: str):
    return {"row": row}


def no_place(timer: func.TimerRequest):
    return "nowhere to go"


async def late():
    return "late"


def forgotten(req: func.HttpRequest):
    return late()


def bus(msg: func.ServiceBusMessage) -> None:
    logging.info("bus: %s %s %s", msg.get_body(), msg.delivery_count, bool(msg.message_id))


def hub(events: typing.List[func.EventHubEvent]) -> None:
    logging.info("hub: %s", [event.get_body() for event in events])


def grid(event: func.EventGridEvent, docs: func.Out[func.Document]) -> None:
    docs.set(func.Document.from_dict({"id": event.id, "data": event.get_json()}))


def activity(name: str) -> str:
    return f"Hello {name}!"


def orchestrator(context):
    return json.dumps({"isDone": True, "given": context.body})
