import functools

import azure.functions as func


def counted(call):
    calls = []

    @functools.wraps(call)
    def wrapper(*args, **kwargs):
        calls.append(1)
        return call(*args, **kwargs).format(calls=len(calls))

    return wrapper


def register():
    blueprint = func.Blueprint()

    @blueprint.route(route="wrapped")
    @counted
    def wrapped(req: func.HttpRequest) -> str:
        return "call {calls}"

    return blueprint
