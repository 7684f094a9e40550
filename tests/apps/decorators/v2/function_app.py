import json
import logging

import azure.functions as func
from parts.orders import orders
from parts.plain import register

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(orders)
app.register_blueprint(register())


@app.function_name("Named")
@app.route(route="named/{id:int}/{rest?}", methods=["GET", func.HttpMethod.POST])
def any_name(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    return func.HttpResponse(json.dumps({"function": context.function_name, "params": dict(req.route_params)}))


@app.route()
def without_route(req: func.HttpRequest) -> str:
    return "its name is its route"


@app.route(route="/slash/", trigger_arg_name="request", binding_arg_name="answer")
def renamed(request: func.HttpRequest, answer: func.Out[func.HttpResponse]) -> None:
    answer.set(func.HttpResponse("set", status_code=201))


@app.generic_trigger(arg_name="req", type="httpTrigger", route="generic", authLevel="anonymous", methods=["put"])
@app.generic_output_binding(arg_name="$return", type="http")
def generic(req):
    return req.method


@app.route(route="protected", auth_level=func.AuthLevel.FUNCTION)
def protected(req: func.HttpRequest) -> str:
    return "in"


@app.route(route="levelled", auth_level="admin")
def levelled(req: func.HttpRequest) -> str:
    return "in"


@app.route(route="tries")
@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:00")
def tries(req: func.HttpRequest, context: func.Context) -> str:
    retry = context.retry_context
    if retry.retry_count < retry.max_retry_count:
        raise RuntimeError(f"attempt {retry.retry_count}")
    return f"{retry.retry_count} of {retry.max_retry_count} after {retry.exception.message}"


@app.route(route="send/{queue}")
@app.queue_output(arg_name="messages", queue_name="{queue}", connection="AzureWebJobsStorage")
def send(req: func.HttpRequest, messages: func.Out[func.QueueMessage]) -> str:
    messages.set(func.QueueMessage(body=req.get_body()))
    return "sent"


@app.queue_trigger(
    arg_name="msg",
    queue_name="fragile",
    connection="AzureWebJobsStorage",
    max_dequeue_count=2,
    poison_queue_name="given-up",
    singleton=True,
    timeout="00:00:20",
)
@app.blob_output(arg_name="copy", path="copies/{id}.txt", connection="AzureWebJobsStorage")
def fragile(msg: func.QueueMessage, copy: func.Out[str]) -> None:
    logging.info("delivery %s of %s", msg.dequeue_count, msg.get_json()["id"])
    if msg.get_json().get("bad"):
        raise ValueError("it is bad")
    copy.set(msg.get_body().decode())


@app.route(route="copies/{id}")
@app.blob_input(arg_name="copy", path="copies/{id}.txt", connection="AzureWebJobsStorage")
def copies(req: func.HttpRequest, copy: func.InputStream) -> str:
    return copy.read().decode() if copy else "none"


@app.schedule(schedule="0 0 3 * * *", arg_name="timer", run_on_startup=False, use_monitor=True)
def nightly(timer: func.TimerRequest) -> None:
    logging.info("past due: %s", timer.past_due)


@app.route(route="broken")
def broken(req: func.HttpRequest, nobody_binds_this) -> str:
    return "never"


@app.function_name("not a name")
@app.route(route="misnamed")
def misnamed(req: func.HttpRequest) -> str:
    return "never"


@app.queue_trigger(arg_name="msg", queue_name="Not_A_Queue", connection="AzureWebJobsStorage")
def misqueued(msg: func.QueueMessage) -> None:
    pass
