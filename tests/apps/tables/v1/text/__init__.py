import azure.functions as func


def main(req: func.HttpRequest, row) -> func.HttpResponse:
    assert isinstance(row, str)
    return func.HttpResponse(row, mimetype="application/json")
