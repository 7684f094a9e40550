import json

import azure.functions as func
from seen import seen

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="echo/{first?}/{*rest}")
def echo(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(seen(req)), mimetype="application/json")


@app.route(route="/verbs", methods=["get", "POST", func.HttpMethod.PATCH])
def verbs(req) -> str:
    return req.method


@app.route()
def anyverb(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"{req.method} it is", headers={"X-Method": req.method})


@app.route(methods=["POST"])
def guarded(req: func.HttpRequest) -> func.HttpResponse:
    name = req.params.get("name")
    if not name:
        try:
            name = req.get_json().get("name")
        except ValueError:
            return func.HttpResponse("no JSON", status_code=400)
    return func.HttpResponse(f"Hello, {name}.")


@app.route(methods=["POST"])
def unguarded(req: func.HttpRequest) -> str:
    return json.dumps(req.get_json())


@app.route()
def lookup(req: func.HttpRequest) -> str:
    found = [req.headers["x-mixed-case"], req.headers.get("X-MIXED-CASE"), str("X-Mixed-case" in req.headers)]
    return "|".join([*found, str(req.headers.get("X-Missing")), str(req.params.get("missing"))])
