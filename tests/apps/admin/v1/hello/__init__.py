import json
import os

import azure.functions as func

MADE = os.urandom(8).hex()


def main(req: func.HttpRequest) -> func.HttpResponse:
    told = {
        "method": req.method,
        "params": dict(req.params),
        "mine": req.headers.get("x-mine"),
        "body": req.get_body().decode(),
        "made": MADE,
    }
    return func.HttpResponse(json.dumps(told), mimetype="application/json")
