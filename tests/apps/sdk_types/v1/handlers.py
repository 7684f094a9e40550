import typing

import azure.functions as func
import azurefunctions.extensions.bindings.blob as clients


def blob(req: func.HttpRequest, file: clients.BlobClient) -> str:
    return f"{file.account_name} {file.container_name} {file.blob_name} {file.download_blob().readall()}"


def container(req: func.HttpRequest, file: clients.ContainerClient) -> str:
    return f"{file.account_name} {file.container_name} {file.get_blob_client('a.txt').download_blob().readall()}"


def download(req: func.HttpRequest, file: clients.StorageStreamDownloader) -> str:
    return f"{file.size} {file.readall()}"


async def chunks(req: func.HttpRequest, file: clients.StorageStreamDownloader) -> str:
    return f"{list(file.chunks())}"


# What follows is refused.


def embedded(req: func.HttpRequest, file: clients.BlobClient) -> str:
    return "never"


def stream_elsewhere(req: func.HttpRequest, file: func.InputStream) -> str:
    return "never"


def optional(req: func.HttpRequest, file: typing.Optional[clients.BlobClient]) -> str:
    return "never"
