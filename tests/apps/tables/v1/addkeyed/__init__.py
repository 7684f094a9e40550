import azure.functions as func


def main(req: func.HttpRequest, row: func.Out[bytes]) -> func.HttpResponse:
    row.set(req.get_body())
    return func.HttpResponse(status_code=204)
