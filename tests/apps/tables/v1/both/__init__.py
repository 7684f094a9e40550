import json

import azure.functions as func


def main(req: func.HttpRequest, row: func.Out[str], message: func.Out[str]) -> func.HttpResponse:
    row.set(json.dumps({"Total": req.get_json()["total"]}))
    message.set(req.get_body().decode())
    return func.HttpResponse(status_code=202)
