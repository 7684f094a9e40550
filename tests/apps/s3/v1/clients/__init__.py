import azure.functions as func
import azurefunctions.extensions.bindings.blob as blob


def main(req: func.HttpRequest, file: blob.BlobClient) -> str:
    return "never"
