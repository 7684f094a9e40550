import azure.functions as func


def main(req: func.HttpRequest, doc: func.Out[str]) -> func.HttpResponse:
    doc.set(req.get_body().decode())
    return func.HttpResponse("saved")
