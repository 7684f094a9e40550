import asyncio
import json
import os
import time

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


def _until_let(context, name):
    """Go on once there is a file of that name in the app."""
    while name and not os.path.exists(name):
        if context.cancelled.is_set():
            raise RuntimeError("cancelled")
        time.sleep(0.01)


@app.route()
def work(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    wanted = req.get_json() if req.get_body() else {}
    context.set_progress(0.5, {"step": "resize"})
    _until_let(context, wanted.get("until"))
    context.set_progress(1, "done")
    body = json.dumps({"got": wanted, "size": len(req.get_body())})
    headers = {"X-Made-By": "work", "Set-Cookie": "a=b"}
    return func.HttpResponse(body, status_code=201, mimetype="application/json", headers=headers)


@app.route()
async def work_async(req: func.HttpRequest, context: func.Context) -> str:
    context.set_custom_status("began")
    await asyncio.sleep(0.01)
    context.set_progress(0.25)
    while not os.path.exists(req.params["until"]):
        await asyncio.sleep(0.01)
    return "ended"


@app.route()
def fails(req: func.HttpRequest) -> str:
    raise ValueError("no such picture")


@app.route()
def picture(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(b"\x89PNG\xff", mimetype="image/png")


@app.route()
def streamed(req):
    yield b"one "
    yield b"two"


@app.route()
def wrong(req: func.HttpRequest, context: func.Context) -> str:
    context.set_progress(40)
    return "never"


@app.route(auth_level=func.AuthLevel.FUNCTION)
def keyed(req: func.HttpRequest) -> str:
    return "for whoever has a key"


@app.generic_trigger(
    arg_name="question",
    type="queueTrigger",
    queue_name="questions",
    connection="AzureWebJobsStorage",
    maxDequeueCount=2,
)
def answer(question: func.QueueMessage, context: func.Context) -> dict:
    text = question.get_body().decode()
    context.set_progress(0.5)
    if text.startswith("bad"):
        raise ValueError(f"{text} is no question")
    return {"answer": text.upper()}


@app.queue_trigger(arg_name="question", queue_name="passed", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="$return", queue_name="next", connection="AzureWebJobsStorage")
def passed_on(question: func.QueueMessage) -> str:
    return "on: " + question.get_body().decode()


@app.generic_trigger(arg_name="value", type="manualTrigger")
def by_hand(value: str, context) -> None:
    context.set_custom_status(value)
    if value:
        _until_let(context, value)
