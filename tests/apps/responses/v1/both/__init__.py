import azure.functions as func


def main(req: func.HttpRequest, msg: func.Out[str]) -> func.HttpResponse:
    msg.set("for the queue")
    return func.HttpResponse("for the caller", status_code=202)
