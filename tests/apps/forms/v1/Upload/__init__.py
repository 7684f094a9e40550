import azure.functions as func
from form import describe


def main(req: func.HttpRequest) -> func.HttpResponse:
    return describe(req)
