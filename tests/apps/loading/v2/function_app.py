import functools
import importlib
import json
import os
import sys

import azure.functions as func
import errors
import helpers.words
import logs
import blinker
import pytest
import shared_root
import vendored
from helpers import VALUE as top_level
from namespace import part
from orders.blueprint import blueprint

runs = sys.modules.setdefault("runs_of_once", [])
runs.append(__name__)

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(blueprint)


@app.route(route="imports")
def imports(req: func.HttpRequest) -> str:
    return "\n".join([helpers.words.VALUE, shared_root.VALUE, part.VALUE, top_level])


@app.function_name("orders2-v3")
@app.route()
def named_otherwise(req: func.HttpRequest) -> str:
    return __name__


@app.route(route="pytest")
def use_installed(req: func.HttpRequest) -> str:
    return f"{pytest.__name__} {hasattr(pytest, 'fixture')}"


@app.route(route="once")
def once(req: func.HttpRequest) -> str:
    again = importlib.import_module("function_app")
    return f"{runs} {again is sys.modules[__name__]}"


@app.route(route="where")
def where(req: func.HttpRequest) -> str:
    with open("data.txt") as file:
        text = file.read()
    root = os.path.dirname(os.path.abspath(__file__))
    return json.dumps(
        {
            "text": text,
            "name": __name__,
            "file": os.path.relpath(__file__, root),
            "works in": os.path.samefile(os.getcwd(), root),
        }
    )


@app.route(route="packages")
def packages(req: func.HttpRequest) -> str:
    return f"{vendored.VALUE}, {blinker.VALUE}"


@app.route(route="test")
def test(req: func.HttpRequest) -> str:
    return "test"


@app.route(route="off_setting")
def off_setting(req: func.HttpRequest) -> str:
    return "on"


@app.function_name("off-env")
@app.route()
def off_env(req: func.HttpRequest) -> str:
    return "on"


@app.route(route="on_setting")
def on_setting(req: func.HttpRequest) -> str:
    return "on"


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return f"wrapped: {function(*args, **kwargs)}"

    return wrapper


@app.route(route="wrapped")
@logged
def wrapped(req: func.HttpRequest) -> str:
    return "its own"


@app.route(route="own_names")
def own_names(req: func.HttpRequest) -> str:
    return f"{errors.VALUE}, {logs.VALUE}"


@app.route(route="snake_case", trigger_arg_name="the_request", binding_arg_name="_answer")
def snake_case(the_request: func.HttpRequest, _answer: func.Out[func.HttpResponse]) -> None:
    _answer.set(func.HttpResponse(the_request.params["say"]))
