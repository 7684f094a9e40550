import azure.functions as func
from form import describe

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(methods=["POST"])
def Upload(req: func.HttpRequest) -> func.HttpResponse:
    return describe(req)
