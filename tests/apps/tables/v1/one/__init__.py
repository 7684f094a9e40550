import json

import azure.functions as func


def main(req: func.HttpRequest, row: dict | None) -> func.HttpResponse:
    if not row:
        return func.HttpResponse(f"no {req.route_params['id']}: {row!r}", status_code=404)
    return func.HttpResponse(json.dumps(row), mimetype="application/json")
