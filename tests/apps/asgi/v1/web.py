"""A FastAPI app as it would run anywhere: nothing in it knows of functions."""

import asyncio
import logging
import os
import threading
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

from fastapi import BackgroundTasks, FastAPI, File, Form, HTTPException, Request, Response, UploadFile
from fastapi.responses import PlainTextResponse, RedirectResponse, StreamingResponse
from pydantic import BaseModel

lifespans = 0
gates: dict[str, asyncio.Event] = {}


def gate(name: str) -> asyncio.Event:
    """One event for each name, so that requests can wait for each other."""
    return gates.setdefault(name, asyncio.Event())


@asynccontextmanager
async def lifespan(app: FastAPI):
    global lifespans
    lifespans += 1
    if os.path.exists("broken"):
        raise ConnectionError("the database is not there")
    await asyncio.sleep(0)
    yield {"pool": "open"}


app = FastAPI(lifespan=lifespan)
inner = FastAPI()


class Order(BaseModel):
    name: str
    count: int = 1


@app.get("/")
async def index():
    return {"page": "index of the app"}


@app.get("/api/hello")
async def hello(name: str = "you"):
    logging.info("greeting %s", name)
    return {"hello": name}


@app.get("/api/thread")
def thread():
    return {"main": threading.current_thread() is threading.main_thread()}


@app.get("/api/items/{item_id}")
async def item(item_id: int, tag: list[str] | None = None):
    return {"item": item_id}


@app.get("/api/tags")
async def tags(request: Request):
    return request.query_params.getlist("tag")


@app.get("/api/files/{path:path}")
async def file(path: str):
    return {"path": path}


@app.post("/api/orders", status_code=201)
async def order(order: Order):
    return order


@app.post("/api/uploads")
async def uploads(note: str = Form(), file: UploadFile = File()):
    return {"note": note, "name": file.filename, "size": len(await file.read())}


@app.post("/api/form")
async def form(request: Request):
    return parse_qs((await request.body()).decode())


@app.post("/api/echo")
async def echo(request: Request):
    return Response(await request.body(), media_type=request.headers.get("content-type"))


@app.put("/api/put")
@app.patch("/api/put")
@app.delete("/api/put")
async def put(request: Request):
    return PlainTextResponse(request.method)


@app.get("/api/cookies")
async def cookies(request: Request):
    response = PlainTextResponse(request.cookies.get("session", "none"))
    response.set_cookie("a", "1", httponly=True, samesite="strict")
    response.set_cookie("b", "2", max_age=60)
    return response


@app.get("/api/links")
async def links():
    response = PlainTextResponse("linked")
    response.headers.append("Link", "</a>; rel=prev")
    response.headers.append("Link", "</b>; rel=next")
    return response


@app.get("/api/moved")
async def moved():
    return RedirectResponse("/api/hello?name=moved", status_code=307)


@app.get("/api/nothing", status_code=204)
async def nothing():
    return None


@app.get("/api/refused")
async def refused():
    raise HTTPException(418, "a teapot")


@app.get("/api/broken")
async def broken():
    raise ValueError("the handler broke")


@app.get("/api/scope")
async def scope(request: Request):
    told = {key: request.scope.get(key) for key in ("path", "root_path", "scheme", "client", "server", "method")}
    context = {
        key.partition(".")[2]: bool(value)
        for key, value in request.scope.items()
        if key.startswith("azure_functions.")
    }
    return {**told, "query": request.scope["query_string"].decode(), "context": context}


@app.get("/api/state")
async def state(request: Request):
    return {"lifespans": lifespans, "pool": getattr(request.state, "pool", None)}


@inner.middleware("http")
async def stamp(request: Request, call_next):
    response = await call_next(request)
    response.headers["x-stamp"] = "inner"
    return response


@inner.get("/page")
async def page():
    return {"page": "behind a middleware"}


app.mount("/api/inner", inner)


# -- streams


@app.post("/api/gates/{name}")
async def open_gate(name: str):
    gate(name).set()
    return name


@app.get("/api/gates/{name}")
async def wait_for_gate(name: str):
    await asyncio.wait_for(gate(name).wait(), 20)
    return name


@app.get("/api/events")
async def events():
    async def produce():
        yield "data: first\n\n"
        await gate("events").wait()
        yield "data: last\n\n"

    return StreamingResponse(produce(), media_type="text/event-stream")


@app.get("/api/endless/{name}")
async def endless(name: str):
    async def produce():
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            gate(name).set()

    return StreamingResponse(produce())


@app.get("/api/waiting/{name}")
async def waiting(name: str):
    try:
        gate(f"{name}-began").set()
        await asyncio.Event().wait()
    finally:
        gate(name).set()


@app.get("/api/torn")
async def torn():
    async def produce():
        yield b"some"
        await asyncio.sleep(0)
        raise ValueError("torn apart")

    return StreamingResponse(produce())


@app.post("/api/upload")
async def upload(request: Request):
    sizes = []
    async for chunk in request.stream():
        sizes.append(len(chunk))
        gate("upload-began").set()
    return {"total": sum(sizes), "largest": max(sizes)}


@app.post("/api/upper")
async def upper(request: Request):
    async def produce():
        async for chunk in request.stream():
            yield chunk.upper()

    return StreamingResponse(produce())


@app.get("/api/background")
async def background(tasks: BackgroundTasks):
    async def work():
        await gate("background").wait()
        gate("background-done").set()

    tasks.add_task(work)
    return {"accepted": True}
