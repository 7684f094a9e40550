import json
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


def put(req: func.HttpRequest, blob: func.Out[bytes]) -> func.HttpResponse:
    blob.set(req.get_body())
    return func.HttpResponse("stored")


def untyped(data, blobs):
    return json.dumps([[type(one).__name__, one.name, one.length, one.read().decode()] for one in blobs])


def typed(data: str, blobs: List[func.InputStream]) -> str:
    return json.dumps([[one.name, one.read().decode()] for one in blobs])


def texts(data: str, blobs: list[str]) -> str:
    return json.dumps(blobs)


async def contents(data: str, blobs: list[bytes]) -> str:
    return json.dumps([one.decode() for one in blobs])


def objects(req: func.HttpRequest, blobs: list[dict]) -> str:
    return json.dumps(blobs)


def orders(req: func.HttpRequest, blobs: list[Order]) -> str:
    return json.dumps([one.id for one in blobs])


def models(req: func.HttpRequest, blobs: list[Item]) -> str:
    return json.dumps([[one.id, one.name] for one in blobs])


def below(req: func.HttpRequest, blobs: list[str]) -> str:
    return json.dumps(blobs)


def nowhere(data: str, blobs: list[str]) -> str:
    return json.dumps(blobs)


def notlist(data: str, blobs: func.InputStream) -> None:
    pass


def notmany(data: str, blob: list[func.InputStream]) -> None:
    pass


def output(data: str, blob: func.Out[str]) -> None:
    pass


def pattern(data: str, blobs: list[str]) -> None:
    pass
