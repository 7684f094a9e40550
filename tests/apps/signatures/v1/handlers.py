import dataclasses
import functools
import json
import typing

import azure.functions as func


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
    def __call__(self, req: func.HttpRequest) -> str:
        return "called"

    def method(self, req: func.HttpRequest) -> str:
        return "method"

    @staticmethod
    def static(req: func.HttpRequest) -> str:
        return "static"


def annotated(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    return func.HttpResponse(f"{type(req).__name__} {context.function_name}")


def unannotated(req, context):
    return f"{type(req).__name__} {context.function_name}"


def text(req: str) -> str:
    return f"{type(req).__name__} {req}"


def raw(req: bytes) -> str:
    return f"{type(req).__name__} {req.decode()}"


def postponed(req: "func.HttpRequest") -> "str":
    return type(req).__name__


def typed_by_any(req: typing.Any):
    return type(req).__name__


def plain_dict(req: dict) -> dict:
    return {"given": req}


def optional_dict(req: typing.Optional[dict]) -> dict:
    return {"given": req}


def dataclass(req: Order) -> Order:
    return Order(req.id + 1)


def number(req: int) -> str:
    return str(req + 1)


@wrapping
def wrapped(req: func.HttpRequest) -> str:
    return "called"


method = Handler().method
static = Handler.static
callable_object = Handler()


def _greet(greeting, req: func.HttpRequest) -> str:
    return greeting


bound_partial = functools.partial(_greet, "hello")


async def coroutine(req: func.HttpRequest) -> str:
    return "awaited"


def named_out(req: func.HttpRequest, res: func.Out[func.HttpResponse]):
    res.set(func.HttpResponse("set", status_code=201))


def out_unannotated(req, res):
    res.set("never this")
    res.set("set " + res.get())


def context_is_request(context: func.HttpRequest) -> str:
    return type(context).__name__


def list_out(req: func.HttpRequest, msgs: func.Out[typing.List[str]]) -> str:
    msgs.set(["a", "b"])
    return "sent"


def no_response_none(req: func.HttpRequest) -> None:
    pass


def table_is_dict(req: func.HttpRequest, row: dict) -> str:
    return json.dumps(row)


# What follows is refused.


def extra_param(req: func.HttpRequest, spam) -> str:
    return "never"


def extra_default(req: func.HttpRequest, spam=1) -> str:
    return "never"


def any_keywords(req: func.HttpRequest, **spam) -> str:
    return "never"


def positional(req, /):
    return "never"


@hiding
def hidden_parameters(req: func.HttpRequest) -> str:
    return "never"


def missing_param(req: func.HttpRequest) -> str:
    return "never"


def missing_request() -> str:
    return "never"


def misnamed(request: func.HttpRequest) -> str:
    return "never"


def context_is_int(req: func.HttpRequest, context: int) -> str:
    return "never"


def request_is_response(req: func.HttpResponse) -> str:
    return "never"


def request_is_number(req: 123) -> str:
    return "never"


def optional_request(req: typing.Optional[func.HttpRequest]) -> str:
    return "never"


def union_request(req: typing.Union[func.HttpRequest, str]) -> str:
    return "never"


def bare_out(req: func.HttpRequest, res: func.Out) -> None:
    res.set("never")


def out_of_int(req: func.HttpRequest, res: func.Out[int]) -> None:
    res.set(1)


def out_of_request(req: func.HttpRequest, res: func.Out[func.HttpRequest]) -> None:
    res.set(req)


def out_is_text(req: func.HttpRequest, res: str) -> None:
    pass


def out_on_input(req: func.HttpRequest, file: func.Out[str]) -> str:
    return "never"


def returns_int(req: func.HttpRequest) -> int:
    return 1


def returns_bytes(req: func.HttpRequest) -> bytes:
    return b"never"


def returns_none(req: func.HttpRequest) -> None:
    pass


def returns_optional(req: func.HttpRequest) -> typing.Optional[func.HttpResponse]:
    return None


def returns_number(req: func.HttpRequest) -> 123:
    return "never"


def returns_out(req: func.HttpRequest) -> func.Out[str]:
    return "never"


def unresolvable(req: "Missing") -> str:
    return "never"


def queue_of_int(req: func.HttpRequest, msgs: func.Out[int]) -> str:
    return "never"


def queue_returns_none(req: func.HttpRequest) -> None:
    pass


def return_is_input(req: func.HttpRequest):
    return "never"


def both_ways(req: func.HttpRequest, file: func.InputStream) -> str:
    return "never"


def queue_is_request(msg: func.HttpRequest):
    pass


def queue_is_list(msg: typing.List[func.QueueMessage]):
    pass


def timer_is_message(timer: func.QueueMessage):
    pass


def table_is_stream(req: func.HttpRequest, row: func.InputStream) -> str:
    return "never"
