"""The app that HTTP requests are tried on: none of its functions fails for what it is given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.running import RunningHost

_SCRIPT = """
import json
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
EVERY = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]


@app.route(route="echo", methods=EVERY)
def echo(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.get_body(), mimetype="application/octet-stream")


@app.route(route="told/{id:int}/{name?}", methods=EVERY)
def told(req: func.HttpRequest) -> func.HttpResponse:
    seen = [req.method, req.url, dict(req.headers), dict(req.params), dict(req.route_params)]
    return func.HttpResponse(json.dumps(seen).encode(), mimetype="application/json")


@app.route(route="below/{*rest}")
async def below(req: func.HttpRequest) -> str:
    return json.dumps(dict(req.route_params))


@app.route(route="form", methods=["POST"])
def form(req: func.HttpRequest) -> str:
    return str(len(req.form) + len(req.files))


@app.route(route="model", methods=["POST"])
def model(req: dict) -> str:
    return str(len(req))


@app.route(route="said")
def said(req: func.HttpRequest) -> func.HttpResponse:
    name, value = req.params.get("name", "X-Said"), req.params.get("value", "")
    return func.HttpResponse("body", headers={name: value})


@app.route(route="kept", auth_level=func.AuthLevel.FUNCTION)
def kept(req: func.HttpRequest) -> str:
    return "secret"


@app.route(route="saved")
@app.blob_output(arg_name="out", path="saved/{query.name}", connection="AzureWebJobsStorage")
def saved(req: func.HttpRequest, out: func.Out[str]) -> str:
    out.set("content")
    return "saved"


@app.queue_trigger(arg_name="job", queue_name="jobs", connection="AzureWebJobsStorage")
def work(job: func.QueueMessage) -> None:
    job.get_body()
"""


@contextmanager
def served(folder: Path, *arguments: str, **settings: str) -> Iterator[RunningHost]:
    """A host that serves the app from `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "host.json").write_text('{"version": "2.0"}')
    (folder / "function_app.py").write_text(_SCRIPT)
    with RunningHost(folder, *arguments, env=settings) as host:
        yield host
