"""Functions that take requests and give responses of FastAPI, for both models."""

import asyncio
import threading
import time
from urllib.parse import parse_qs

import azure.functions as func
from azurefunctions.extensions.http.fastapi import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Request,
    Response,
    StreamingResponse,
)
from fastapi import HTTPException
from pydantic import BaseModel

gates: dict[str, threading.Event] = {}


def gate(name: str) -> threading.Event:
    """One event for each name, so that requests can wait for each other."""
    return gates.setdefault(name, threading.Event())


async def opened(name: str) -> bool:
    return await asyncio.to_thread(gate(name).wait, 20)


class Order(BaseModel):
    name: str
    count: int = 1


class Heavy:
    """Nothing that JSON could hold."""

    __slots__ = ()


async def hello(req: Request) -> dict:
    return {"hello": req.query_params.get("name", "you"), "tags": req.query_params.getlist("tag")}


_RETURNS = {
    "text": "plain words",
    "number": 7,
    "float": 0.5,
    "bool": True,
    "list": [1, "two"],
    "bytes": b"as text",
    "none": None,
    "model": Order(name="tea"),
    "html": HTMLResponse("<b>bold</b>", status_code=202),
    "plain": PlainTextResponse("just text"),
    "json": JSONResponse({"a": 1}, status_code=201),
    "redirect": RedirectResponse("/elsewhere"),
    "heavy": Heavy(),
}


async def returns(req: Request):
    return _RETURNS[req.path_params["kind"]]


def plain(req: Request) -> dict:
    return {"main": threading.current_thread() is threading.main_thread(), "query": dict(req.query_params)}


async def item(req: Request, context) -> JSONResponse:
    return JSONResponse(
        {
            "params": req.path_params,
            "path": req.url.path,
            "root_path": req.scope["root_path"],
            "client": req.client.host,
            "port": req.url.port,
            "function": context.function_name,
            "id": bool(context.invocation_id),
        }
    )


async def echo(req: Request) -> Response:
    return Response(await req.body(), media_type=req.headers.get("content-type"))


async def order(req: Request) -> Order:
    return Order(**await req.json())


async def form(req: Request) -> dict:
    return parse_qs((await req.body()).decode())


async def cookies(req: Request) -> Response:
    response = PlainTextResponse(req.cookies.get("session", "none"))
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


async def fails(req: Request) -> str:
    if req.path_params["how"] == "http":
        raise HTTPException(404, "no such thing")
    raise ValueError("the function broke")


async def store(req: Request, out: func.Out[str]) -> str:
    out.set(req.query_params["text"])
    return "stored"


async def work(msg: func.QueueMessage) -> None:
    gate(msg.get_body().decode()).set()


# -- streams


async def open_gate(req: Request) -> str:
    gate(req.path_params["name"]).set()
    return "open"


async def wait_for_gate(req: Request) -> str:
    return "passed" if await opened(req.path_params["name"]) else "shut"


async def events(req: Request) -> StreamingResponse:
    async def produce():
        yield "data: first\n\n"
        await opened("events")
        yield "data: last\n\n"

    return StreamingResponse(produce(), media_type="text/event-stream")


async def endless(req: Request) -> StreamingResponse:
    async def produce():
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            gate("endless").set()

    return StreamingResponse(produce())


def stubborn(req: Request) -> str:
    """Blocks its thread until it is interrupted."""
    gate("stubborn-began").set()
    try:
        while True:
            time.sleep(0.01)
    finally:
        gate("stubborn").set()


async def upload(req: Request) -> dict:
    sizes = []
    async for chunk in req.stream():
        sizes.append(len(chunk))
        gate("upload-began").set()
    return {"total": sum(sizes), "largest": max(sizes)}


async def upper(req: Request) -> StreamingResponse:
    async def produce():
        async for chunk in req.stream():
            yield chunk.upper()

    return StreamingResponse(produce())
