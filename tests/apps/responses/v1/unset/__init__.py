import azure.functions as func


def main(req: func.HttpRequest, res: func.Out[func.HttpResponse]):
    if req.params.get("text"):
        return req.params["text"]
