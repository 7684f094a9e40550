import azure.functions as func
import handlers

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="put/{container}/{*name}", methods=["POST"])
@app.blob_output(arg_name="blob", path="{container}/{name}", connection="")
def put(req: func.HttpRequest, blob: func.Out[bytes]) -> func.HttpResponse:
    return handlers.put(req, blob)


def listed(name, path):
    """The handler of that name by hand, with the blobs there."""
    by_hand = app.generic_trigger(arg_name="data", type="manualTrigger")
    blobs = app.generic_input_binding(arg_name="blobs", type="blob", path=path, cardinality="many")
    app.function_name(name)(by_hand(blobs(getattr(handlers, name))))


for name in ("untyped", "texts", "contents"):
    listed(name, "shelf")
listed("nowhere", "nowhere")
listed("notlist", "shelf")
listed("pattern", "shelf/*.txt")


@app.generic_trigger(arg_name="data", type="manualTrigger")
@app.blob_input(arg_name="blobs", path="shelf", connection="", cardinality=func.Cardinality.MANY)
def typed(data: str, blobs: list[func.InputStream]) -> str:
    return handlers.typed(data, blobs)


@app.route(route="below/{folder}", methods=["GET"])
@app.blob_input(arg_name="blobs", path="shelf/{folder}/", connection="", cardinality="many")
def below(req: func.HttpRequest, blobs: list[str]) -> str:
    return handlers.below(req, blobs)


for name in ("objects", "orders", "models"):
    routed = app.route(route=f"{name}/{{kind}}", methods=["GET"])
    items = app.blob_input(arg_name="blobs", path="items/{kind}-", connection="", cardinality="many")
    app.function_name(name)(routed(items(getattr(handlers, name))))


@app.generic_trigger(arg_name="data", type="manualTrigger")
@app.blob_input(arg_name="blob", path="shelf/a.txt", connection="")
def notmany(data: str, blob: list[func.InputStream]) -> None:
    pass


@app.generic_trigger(arg_name="data", type="manualTrigger")
@app.generic_output_binding(arg_name="blob", type="blob", path="shelf/{id}", cardinality="many")
def output(data: str, blob: func.Out[str]) -> None:
    pass
