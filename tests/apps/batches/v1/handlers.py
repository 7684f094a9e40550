import json
import logging
from dataclasses import dataclass
from typing import List

import azure.functions as func
from pydantic import BaseModel


@dataclass
class Order:
    id: int


class Item(BaseModel):
    id: int
    name: str = "none"


def tell(function, what):
    logging.info("%s: %s", function, json.dumps(what))


def send(req: func.HttpRequest, out: func.Out[str]) -> func.HttpResponse:
    out.set(req.get_body().decode())
    return func.HttpResponse("sent")


def untyped(msgs):
    tell("untyped", [[type(msg).__name__, msg.get_body().decode(), msg.dequeue_count, msg.id != ""] for msg in msgs])


def typed(msgs: List[func.QueueMessage], context: func.Context) -> None:
    same = [msg.id for msg in msgs] == context.metadata["idArray"]
    tell("typed", [[msg.get_body().decode() for msg in msgs], same])


def texts(msgs: list[str]) -> None:
    tell("texts", msgs)


async def contents(msgs: list[bytes]) -> None:
    tell("contents", [msg.decode() for msg in msgs])


def objects(msgs: list[dict]) -> None:
    tell("objects", msgs)


def orders(msgs: list[Order]) -> None:
    tell("orders", [order.id for order in msgs])


def models(msgs: list[Item]) -> None:
    tell("models", [[item.id, item.name] for item in msgs])


def partial(msgs: list[func.QueueMessage], done: func.Out[str]):
    bodies = [msg.get_body().decode() for msg in msgs]
    tell("partial", bodies)
    done.set(json.dumps([body for body in bodies if not body.startswith("bad")]))
    return {"batchItemFailures": [{"itemIdentifier": msg.id} for msg in msgs if msg.get_body().startswith(b"bad")]}


def done(msg: str) -> None:
    tell("done", msg)


def givenup(msgs: list[str]) -> None:
    tell("givenup", msgs)


def unknown(msgs: list[str]):
    tell("unknown", msgs)
    return {"batchItemFailures": [{"itemIdentifier": "nobody"}]}


def whatever(msgs: list[str]):
    tell("whatever", msgs)
    return {"count": len(msgs)}


def again(msgs: list[str], context: func.Context) -> None:
    tell("again", [context.retry_context.retry_count, msgs])
    if context.retry_context.retry_count < 2:
        raise ValueError("not yet")


def notlist(msgs: func.QueueMessage) -> None:
    pass


def notmany(msgs: list[func.QueueMessage]) -> None:
    pass


def expression(msgs: list[str], out: func.Out[str]) -> None:
    pass
