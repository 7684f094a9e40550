import typing

import azure.functions as func
import azurefunctions.extensions.bindings.blob as clients

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="blob/{name}")
@app.blob_input(arg_name="file", path="photos/{name}", connection="Photos")
def blob(req: func.HttpRequest, file: clients.BlobClient) -> str:
    return f"{file.account_name} {file.container_name} {file.blob_name} {file.download_blob().readall()}"


@app.route(route="container/{name}")
@app.blob_input(arg_name="file", path="photos/{name}", connection="Photos")
def container(req: func.HttpRequest, file: clients.ContainerClient) -> str:
    return f"{file.account_name} {file.container_name} {file.get_blob_client('a.txt').download_blob().readall()}"


@app.route(route="download/{name}")
@app.blob_input(arg_name="file", path="photos/{name}", connection="Photos")
def download(req: func.HttpRequest, file: clients.StorageStreamDownloader) -> str:
    return f"{file.size} {file.readall()}"


@app.route(route="chunks/{name}")
@app.blob_input(arg_name="file", path="photos/{name}", connection="Photos")
async def chunks(req: func.HttpRequest, file: clients.StorageStreamDownloader) -> str:
    return f"{list(file.chunks())}"


# What follows is refused.


@app.route(route="embedded/{name}")
@app.blob_input(arg_name="file", path="photos/{name}", connection="AzureWebJobsStorage")
def embedded(req: func.HttpRequest, file: clients.BlobClient) -> str:
    return "never"


@app.route(route="stream_elsewhere/{name}")
@app.blob_input(arg_name="file", path="photos/{name}", connection="Photos")
def stream_elsewhere(req: func.HttpRequest, file: func.InputStream) -> str:
    return "never"


@app.route(route="optional/{name}")
@app.blob_input(arg_name="file", path="photos/{name}", connection="Photos")
def optional(req: func.HttpRequest, file: typing.Optional[clients.BlobClient]) -> str:
    return "never"
