"""GET /api/health: open to everybody, for load balancers and the curious."""

import azure.functions as func


async def main(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse('{"status": "ok"}\n', mimetype="application/json")
