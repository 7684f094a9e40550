import json

import azure.functions as func
from seen import seen


def main(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(seen(req)), mimetype="application/json")
