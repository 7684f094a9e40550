import azure.functions as func


def main(req: func.HttpRequest, large: func.Out[bytes]) -> str:
    large.set(bytes(int(req.params["size"])))
    return "done"
