"""POST /api/orders: takes an order in, gives it an id, and leaves the work to a queue."""

import json
import uuid

import azure.functions as func

FIELDS = ("customer", "item", "quantity", "price")


def main(req: func.HttpRequest, order: func.Out[str]) -> func.HttpResponse:
    try:
        body = req.get_json()
    except ValueError:
        return answer(400, error="The body is not JSON.")
    if not isinstance(body, dict):
        return answer(400, error="The body is not a JSON object.")
    missing = [field for field in FIELDS if field not in body]
    if missing:
        return answer(400, error=f"Missing: {', '.join(missing)}.")
    # Only the shape is checked here: whether the order makes sense is for `fulfil` to say.
    order_id = uuid.uuid4().hex[:12]
    order.set(json.dumps({**body, "orderId": order_id}))
    return answer(202, orderId=order_id)


def answer(status: int, **body: str) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(body) + "\n", status_code=status, mimetype="application/json")
