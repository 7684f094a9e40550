import azure.functions as func
import azurefunctions.extensions.bindings.blob as blob
from ledger import note

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

STORAGE = "AzureWebJobsStorage"


@app.blob_trigger(arg_name="data", path="uploads/in/{name}", connection=STORAGE)
@app.blob_input(arg_name="settings", path="uploads/settings/{name}", connection=STORAGE)
@app.blob_output(arg_name="copy", path="results/{name}", connection=STORAGE)
def copies(data: func.InputStream, settings: str, copy: func.Out[bytes]) -> None:
    note("copied", data.name, data.length, data.uri, settings)
    copy.set(data.read().upper())


@app.blob_trigger(
    arg_name="data",
    path="uploads/told/{name}",
    connection=STORAGE,
    source="notifications",
    notificationQueue="%EVENTS%",
)
def told(data: func.InputStream) -> None:
    size = 0
    while piece := data.read(1024 * 1024):
        size += len(piece)
    note("told", data.name, size)


@app.route(route="large")
@app.blob_output(arg_name="large", path="results/large/{sys.randguid}", connection=STORAGE)
def large(req: func.HttpRequest, large: func.Out[bytes]) -> str:
    large.set(bytes(int(req.params["size"])))
    return "done"


@app.blob_trigger(arg_name="data", path="uploads/{name}", connection=STORAGE)
@app.blob_output(arg_name="$return", path="uploads/{name}.copy", connection=STORAGE)
def loops(data: bytes) -> bytes:
    return data


@app.route(route="clients")
@app.blob_input(arg_name="file", path="uploads/a", connection=STORAGE)
def clients(req: func.HttpRequest, file: blob.BlobClient) -> str:
    return "never"
