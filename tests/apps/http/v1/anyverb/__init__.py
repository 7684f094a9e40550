import azure.functions as func


def main(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"{req.method} it is", headers={"X-Method": req.method})
