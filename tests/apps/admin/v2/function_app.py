import json
import logging
import os
import time
from pathlib import Path

import azure.functions as func

MADE = os.urandom(8).hex()

app = func.FunctionApp()


@app.function_name("hello")
@app.route(route="Hello/{name?}", methods=["GET", "POST"], auth_level=func.AuthLevel.ANONYMOUS)
def hello(req: func.HttpRequest) -> func.HttpResponse:
    told = {
        "method": req.method,
        "params": dict(req.params),
        "mine": req.headers.get("x-mine"),
        "body": req.get_body().decode(),
        "made": MADE,
    }
    return func.HttpResponse(json.dumps(told), mimetype="application/json")


@app.queue_trigger(arg_name="msg", queue_name="work", connection="AzureWebJobsStorage")
def work(msg: func.QueueMessage) -> None:
    text = msg.get_body().decode()
    logging.info("work begins: %s", text)
    while text == "gated" and not Path("gate").exists():
        time.sleep(0.005)
    logging.info("work ends: %s", text)


@app.route(route="slow", auth_level=func.AuthLevel.FUNCTION)
def slow(req: func.HttpRequest) -> str:
    logging.info("slow begins")
    while not Path("gate").exists():
        time.sleep(0.005)
    return "slow ended"


@app.timer_trigger(schedule="0 0 0 1 1 *", arg_name="timer")
@app.retry(strategy="fixed_delay", max_retry_count="1", delay_interval="00:00:30")
def tick(timer: func.TimerRequest) -> None:
    raise RuntimeError("tick has failed")


@app.queue_trigger(arg_name="msg", queue_name="off", connection="AzureWebJobsStorage")
def off(msg: func.QueueMessage) -> None:
    logging.info("off was run with: %s", msg.get_body().decode())
