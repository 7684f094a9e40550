import azure.functions as func
import handlers

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


def post(route):
    return app.route(route=route, methods=["POST"])


@app.function_name("place")
@post("place")
@app.queue_output(
    arg_name="out",
    queue_name="work",
    connection="",
    session_id="{customer}",
    priority="{rank}",
    dedup_id="{number}",
    correlation_id="{number}",
)
def place(req: func.HttpRequest, out: func.Out[str]) -> func.HttpResponse:
    return handlers.place(req, out)


@app.function_name("send")
@post("send/{queue}")
@app.queue_output(arg_name="out", queue_name="{queue}", connection="")
def send(req: func.HttpRequest, out: func.Out[func.QueueMessage]) -> func.HttpResponse:
    return handlers.send(req, out)


@app.function_name("give")
@app.generic_trigger(arg_name="req", type="httpTrigger", route="give", methods=["POST"], auth_level="anonymous")
@app.generic_output_binding(arg_name="$return", type="queue", queue_name="work", priority=6)
def give(req: func.HttpRequest):
    return handlers.give(req)


@app.function_name("bus")
@post("bus")
@app.queue_output(arg_name="out", queue_name="work", connection="")
def bus(req: func.HttpRequest, out) -> func.HttpResponse:
    return handlers.bus(req, out)


@app.function_name("work")
@app.queue_trigger(arg_name="msg", queue_name="work", connection="")
@app.queue_output(
    arg_name="$return",
    queue_name="after",
    connection="",
    session_id="{sessionId}",
    correlation_id="{correlationId}",
)
def work(msg: func.QueueMessage, context: func.Context) -> str:
    return handlers.work(msg, context)


app.function_name("after")(app.queue_trigger(arg_name="msg", queue_name="after", connection="")(handlers.after))
app.function_name("ranked")(
    app.queue_trigger(
        arg_name="msg", queue_name="ranked", connection="", batch_size=1, new_batch_threshold=0
    )(handlers.ranked)
)


@app.function_name("toofar")
@post("toofar")
@app.queue_output(arg_name="out", queue_name="work", connection="", priority=12)
def toofar(req: func.HttpRequest, out: func.Out[str]) -> func.HttpResponse:
    return handlers.place(req, out)
