import asyncio
import json
import os
import time

import azure.functions as func


def _until_let(context, name):
    """Go on once there is a file of that name in the app."""
    while name and not os.path.exists(name):
        if context.cancelled.is_set():
            raise RuntimeError("cancelled")
        time.sleep(0.01)


def work(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    wanted = req.get_json() if req.get_body() else {}
    context.set_progress(0.5, {"step": "resize"})
    _until_let(context, wanted.get("until"))
    context.set_progress(1, "done")
    body = json.dumps({"got": wanted, "size": len(req.get_body())})
    headers = {"X-Made-By": "work", "Set-Cookie": "a=b"}
    return func.HttpResponse(body, status_code=201, mimetype="application/json", headers=headers)


async def work_async(req: func.HttpRequest, context: func.Context) -> str:
    context.set_custom_status("began")
    await asyncio.sleep(0.01)
    context.set_progress(0.25)
    while not os.path.exists(req.params["until"]):
        await asyncio.sleep(0.01)
    return "ended"


def fails(req: func.HttpRequest) -> str:
    raise ValueError("no such picture")


def picture(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(b"\x89PNG\xff", mimetype="image/png")


def streamed(req):
    yield b"one "
    yield b"two"


def wrong(req: func.HttpRequest, context: func.Context) -> str:
    context.set_progress(40)
    return "never"


def keyed(req: func.HttpRequest) -> str:
    return "for whoever has a key"


def answer(question: func.QueueMessage, context: func.Context) -> dict:
    text = question.get_body().decode()
    context.set_progress(0.5)
    if text.startswith("bad"):
        raise ValueError(f"{text} is no question")
    return {"answer": text.upper()}


def passed_on(question: func.QueueMessage) -> str:
    return "on: " + question.get_body().decode()


def by_hand(value: str, context) -> None:
    context.set_custom_status(value)
    if value:
        _until_let(context, value)
