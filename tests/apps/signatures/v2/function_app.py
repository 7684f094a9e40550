import dataclasses
import functools
import json
import typing

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@dataclasses.dataclass
class Order:
    id: int


def wrapping(call):
    @functools.wraps(call)
    def wrapper(*args, **kwargs):
        return call(*args, **kwargs) + ", wrapped"

    return wrapper


def hiding(call):
    def wrapper(*args, **kwargs):
        return call(*args, **kwargs)

    return wrapper


class Handler:
    def method(self, req: func.HttpRequest) -> str:
        return "method"

    @staticmethod
    def static(req: func.HttpRequest) -> str:
        return "static"


@app.route()
def annotated(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    return func.HttpResponse(f"{type(req).__name__} {context.function_name}")


@app.route()
def unannotated(req, context):
    return f"{type(req).__name__} {context.function_name}"


@app.route()
def text(req: str) -> str:
    return f"{type(req).__name__} {req}"


@app.route()
def raw(req: bytes) -> str:
    return f"{type(req).__name__} {req.decode()}"


@app.route()
def postponed(req: "func.HttpRequest") -> "str":
    return type(req).__name__


@app.route()
def typed_by_any(req: typing.Any):
    return type(req).__name__


@app.route()
def plain_dict(req: dict) -> dict:
    return {"given": req}


@app.route()
def optional_dict(req: typing.Optional[dict]) -> dict:
    return {"given": req}


@app.route()
def dataclass(req: Order) -> Order:
    return Order(req.id + 1)


@app.route()
def number(req: int) -> str:
    return str(req + 1)


@app.route()
@wrapping
def wrapped(req: func.HttpRequest) -> str:
    return "called"


def add(name, call):
    app.function_name(name)(app.route(route=name)(call))


add("method", Handler().method)
add("static", Handler.static)


@app.route()
async def coroutine(req: func.HttpRequest) -> str:
    return "awaited"


@app.route(binding_arg_name="res")
def named_out(req: func.HttpRequest, res: func.Out[func.HttpResponse]):
    res.set(func.HttpResponse("set", status_code=201))


@app.route(binding_arg_name="res")
def out_unannotated(req, res):
    res.set("never this")
    res.set("set " + res.get())


@app.route(trigger_arg_name="context")
def context_is_request(context: func.HttpRequest) -> str:
    return type(context).__name__


@app.route()
@app.queue_output(arg_name="msgs", queue_name="sent", connection="AzureWebJobsStorage")
def list_out(req: func.HttpRequest, msgs: func.Out[typing.List[str]]) -> str:
    msgs.set(["a", "b"])
    return "sent"


@app.generic_trigger(arg_name="req", type="httpTrigger", route="no_response_none", auth_level="anonymous")
def no_response_none(req: func.HttpRequest) -> None:
    pass


@app.route()
@app.table_input(arg_name="row", table_name="rows", partition_key="p", row_key="r", connection="AzureWebJobsStorage")
def table_is_dict(req: func.HttpRequest, row: dict) -> str:
    return json.dumps(row)


# What follows is refused.


@app.route()
def extra_param(req: func.HttpRequest, spam) -> str:
    return "never"


@app.route()
def extra_default(req: func.HttpRequest, spam=1) -> str:
    return "never"


@app.route()
def any_keywords(req: func.HttpRequest, **spam) -> str:
    return "never"


@app.route()
def positional(req, /):
    return "never"


@app.function_name("hidden_parameters")
@app.route(route="hidden_parameters")
@hiding
def hidden_parameters(req: func.HttpRequest) -> str:
    return "never"


@app.route()
@app.queue_output(arg_name="msgs", queue_name="sent", connection="AzureWebJobsStorage")
def missing_param(req: func.HttpRequest) -> str:
    return "never"


@app.route()
def missing_request() -> str:
    return "never"


@app.route()
def misnamed(request: func.HttpRequest) -> str:
    return "never"


@app.route()
def context_is_int(req: func.HttpRequest, context: int) -> str:
    return "never"


@app.route()
def request_is_response(req: func.HttpResponse) -> str:
    return "never"


@app.route()
def request_is_number(req: 123) -> str:
    return "never"


@app.route()
def optional_request(req: typing.Optional[func.HttpRequest]) -> str:
    return "never"


@app.route()
def union_request(req: typing.Union[func.HttpRequest, str]) -> str:
    return "never"


@app.route(binding_arg_name="res")
def bare_out(req: func.HttpRequest, res: func.Out) -> None:
    res.set("never")


@app.route(binding_arg_name="res")
def out_of_int(req: func.HttpRequest, res: func.Out[int]) -> None:
    res.set(1)


@app.route(binding_arg_name="res")
def out_of_request(req: func.HttpRequest, res: func.Out[func.HttpRequest]) -> None:
    res.set(req)


@app.route(binding_arg_name="res")
def out_is_text(req: func.HttpRequest, res: str) -> None:
    pass


@app.route()
@app.blob_input(arg_name="file", path="files/a", connection="AzureWebJobsStorage")
def out_on_input(req: func.HttpRequest, file: func.Out[str]) -> str:
    return "never"


@app.route()
def returns_int(req: func.HttpRequest) -> int:
    return 1


@app.route()
def returns_bytes(req: func.HttpRequest) -> bytes:
    return b"never"


@app.route()
def returns_none(req: func.HttpRequest) -> None:
    pass


@app.route()
def returns_optional(req: func.HttpRequest) -> typing.Optional[func.HttpResponse]:
    return None


@app.route()
def returns_number(req: func.HttpRequest) -> 123:
    return "never"


@app.route()
def returns_out(req: func.HttpRequest) -> func.Out[str]:
    return "never"


@app.route()
def unresolvable(req: "Missing") -> str:
    return "never"


@app.route()
@app.queue_output(arg_name="msgs", queue_name="sent", connection="AzureWebJobsStorage")
def queue_of_int(req: func.HttpRequest, msgs: func.Out[int]) -> str:
    return "never"


@app.generic_trigger(arg_name="req", type="httpTrigger", route="queue_returns_none", auth_level="anonymous")
@app.queue_output(arg_name="$return", queue_name="sent", connection="AzureWebJobsStorage")
def queue_returns_none(req: func.HttpRequest) -> None:
    pass


@app.generic_trigger(arg_name="req", type="httpTrigger", route="return_is_input", auth_level="anonymous")
@app.generic_input_binding(arg_name="$return", type="queue", queue_name="sent")
def return_is_input(req: func.HttpRequest):
    return "never"


@app.queue_trigger(arg_name="msg", queue_name="first", connection="AzureWebJobsStorage")
def queue_is_request(msg: func.HttpRequest):
    pass


@app.queue_trigger(arg_name="msg", queue_name="second", connection="AzureWebJobsStorage")
def queue_is_list(msg: typing.List[func.QueueMessage]):
    pass


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def timer_is_message(timer: func.QueueMessage):
    pass


@app.route()
@app.table_input(arg_name="row", table_name="rows", connection="AzureWebJobsStorage")
def table_is_stream(req: func.HttpRequest, row: func.InputStream) -> str:
    return "never"
