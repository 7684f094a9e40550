import azure.functions as func
import handlers

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="send/{queue}", methods=["POST"])
@app.queue_output(arg_name="out", queue_name="{queue}", connection="")
def send(req: func.HttpRequest, out: func.Out[str]) -> func.HttpResponse:
    return handlers.send(req, out)


def many(queue):
    """As a queue_trigger has no argument for it, further ones become fields of the binding."""
    return app.queue_trigger(arg_name="msgs", queue_name=queue, connection="", cardinality=func.Cardinality.MANY)


def generic(queue):
    return app.generic_trigger(arg_name="msgs", type="queueTrigger", queue_name=queue, connection="", cardinality="many")


for name in ("untyped", "texts", "contents", "objects", "orders", "unknown", "whatever", "notlist"):
    app.function_name(name)(many(name)(getattr(handlers, name)))

app.function_name("typed")(generic("typed")(handlers.typed))
app.function_name("models")(generic("models")(handlers.models))
app.function_name("givenup")(generic("partial-poison")(handlers.givenup))


@app.function_name("partial")
@app.queue_trigger(arg_name="msgs", queue_name="partial", connection="", cardinality="many")
@app.queue_output(arg_name="done", queue_name="done", connection="")
def partial(msgs: list[func.QueueMessage], done: func.Out[str]):
    return handlers.partial(msgs, done)


@app.queue_trigger(arg_name="msg", queue_name="done", connection="")
def done(msg: str) -> None:
    handlers.done(msg)


@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="0")
@app.queue_trigger(arg_name="msgs", queue_name="again", connection="", cardinality="many")
def again(msgs: list[str], context: func.Context) -> None:
    handlers.again(msgs, context)


@app.queue_trigger(arg_name="msgs", queue_name="notmany", connection="")
def notmany(msgs: list[func.QueueMessage]) -> None:
    pass


@app.queue_trigger(arg_name="msgs", queue_name="expression", connection="", cardinality="many")
@app.queue_output(arg_name="out", queue_name="done-{customer}", connection="")
def expression(msgs: list[str], out: func.Out[str]) -> None:
    pass
