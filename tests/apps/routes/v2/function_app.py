import json

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.function_name("item")
@app.route(route="shop/{id:int}")
def item(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(dict(req.route_params)), headers={"X-Function": "item", "X-Own": "own"})


@app.function_name("named")
@app.route(route="shop/{name:alpha:length(2,8)}")
def named(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(dict(req.route_params)), headers={"X-Function": "named", "X-Own": "own"})


@app.function_name("optional")
@app.route(route="opt/{a?}")
def optional(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(dict(req.route_params)), headers={"X-Function": "optional", "X-Own": "own"})


@app.function_name("default")
@app.route(route="def/{a=one}")
def default(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(dict(req.route_params)), headers={"X-Function": "default", "X-Own": "own"})


@app.function_name("two")
@app.route(route="a/{x}-{y}.{ext}")
def two(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(dict(req.route_params)), headers={"X-Function": "two", "X-Own": "own"})


@app.function_name("every")
@app.route(route="files/{*path}")
def every(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(dict(req.route_params)), headers={"X-Function": "every", "X-Own": "own"})


@app.function_name("Literal")
@app.route(route="/Shop/Special/")
def literal(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(dict(req.route_params)), headers={"X-Function": "Literal", "X-Own": "own"})


@app.function_name("guid")
@app.route(route="by/{id:guid}")
def guid(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(dict(req.route_params)), headers={"X-Function": "guid", "X-Own": "own"})


@app.function_name("root_like")
@app.route(route="Deep/er/{x}/and/{y?}")
def root_like(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(dict(req.route_params)), headers={"X-Function": "root_like", "X-Own": "own"})
