import azure.functions as func


def main(req: func.HttpRequest, row) -> func.HttpResponse:
    if not row:
        return func.HttpResponse(f"no {req.route_params['id']}: {row!r}", status_code=404)
    assert isinstance(row, str)
    return func.HttpResponse(row, mimetype="application/json")
