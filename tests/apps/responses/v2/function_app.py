import azure.functions as func
from shapes import SHAPES

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

READY = func.HttpResponse("ready", headers={"Set-Cookie": "a=1"})


@app.route(route="reply/{shape}")
def reply(req: func.HttpRequest):
    return SHAPES[req.route_params["shape"]]()


@app.route(route="named/{shape}", binding_arg_name="res")
def named(req: func.HttpRequest, res: func.Out[func.HttpResponse]) -> None:
    res.set(SHAPES[req.route_params["shape"]]())


@app.route(binding_arg_name="res")
def unset(req: func.HttpRequest, res: func.Out[func.HttpResponse]):
    if req.params.get("text"):
        return req.params["text"]


@app.generic_trigger(arg_name="req", type="httpTrigger", route="nooutput", auth_level="anonymous")
def nooutput(req: func.HttpRequest):
    return req.params.get("text")


@app.generic_trigger(arg_name="req", type="httpTrigger", route="queued", auth_level="anonymous")
@app.queue_output(arg_name="$return", queue_name="texts", connection="AzureWebJobsStorage")
def queued(req: func.HttpRequest) -> str:
    return req.params.get("text")


@app.route()
@app.queue_output(arg_name="msg", queue_name="texts", connection="AzureWebJobsStorage")
def both(req: func.HttpRequest, msg: func.Out[str]) -> func.HttpResponse:
    msg.set("for the queue")
    return func.HttpResponse("for the caller", status_code=202)


@app.route()
async def later(req: func.HttpRequest) -> func.HttpResponse:
    return READY
