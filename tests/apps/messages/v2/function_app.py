import functools
import logging
from typing import Optional

import azure.functions as func
from parts.reports import reports

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(reports)


def logged(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        logging.info("called")
        return function(*args, **kwargs)

    return call


@app.timer_trigger(
    arg_name="timer",
    schedule="whenever",
)
@logged
def badcron(timer: func.TimerRequest) -> None:
    pass


@app.route(route="admin/x")
async def reserved(req):
    return "x"


@app.route(route="same")
def first(req):
    return "first"


@app.route(route="same")
def second(req):
    return "second"


@app.queue_trigger(arg_name="msg", queue_name="orders", connection="", conection="x")
@app.queue_output(arg_name="out", queue_name="Not A Queue", connection="")
def forward(msg: str, out: func.Out[str]) -> None:
    out.set(msg)


@app.timer_trigger(arg_name="t", schedule="0 0 0 1 1 *", timeout="5 minutes")
@app.retry(strategy="fixed_delay", max_retry_count="3", delay_interval="often")
def durations(t) -> None:
    pass


@app.route(route="typo")
@logged
def typo(request: func.HttpRequest) -> str:
    return "x"


@app.route(route="optional")
def optional(req: func.HttpRequest) -> Optional[func.HttpResponse]:
    return None


@app.route(route="nothing")
def nothing(req: func.HttpRequest) -> func.HttpResponse:
    return None


@app.route(route="status")
def status(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("x", status_code=1000)
