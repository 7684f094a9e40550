"""An app whose runs can be looked at: orders that succeed, fail, wait and lead to others."""

import logging
import time
from pathlib import Path

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
CONNECTION = "AzureWebJobsStorage"


@app.route(route="order", methods=["POST"])
@app.queue_output(arg_name="orders", queue_name="orders", connection=CONNECTION)
def order(req: func.HttpRequest, orders: func.Out[str]) -> str:
    orders.set(req.get_body().decode())
    return "ordered"


@app.queue_trigger(arg_name="order", queue_name="orders", connection=CONNECTION)
@app.blob_output(arg_name="receipt", path="receipts/{id}.txt", connection=CONNECTION)
def bill(order: func.QueueMessage, receipt: func.Out[str]) -> None:
    text = order.get_body().decode()
    logging.info("billing %s", text)
    if "broken" in text:
        raise ValueError(f"cannot bill {text}")
    receipt.set(text)


@app.queue_trigger(arg_name="job", queue_name="jobs", connection=CONNECTION)
def wait(job: str, context: func.Context) -> None:
    """Waits for the file that the job names."""
    context.set_progress(0.5, {"waiting": job})
    while not Path(job).exists():
        time.sleep(0.01)


@app.blob_trigger(arg_name="blob", path="inbox/{name}", connection=CONNECTION)
def take_in(blob: func.InputStream) -> None:
    logging.info("took in %s", blob.name)


@app.timer_trigger(arg_name="timer", schedule="0 0 3 1 1 *")
def tidy(timer: func.TimerRequest) -> None:
    logging.info("tidied, past due: %s", timer.past_due)
