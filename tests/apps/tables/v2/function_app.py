import json

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="people", methods=["POST"])
@app.table_output(
    arg_name="row", connection="AzureWebJobsStorage", table_name="People", partition_key="people"
)
def add(req: func.HttpRequest, row: func.Out[str]) -> func.HttpResponse:
    row.set(req.get_body().decode())
    return func.HttpResponse("stored", status_code=201)


@app.route(route="people/{id}", methods=["PUT"])
@app.table_output(
    arg_name="row",
    connection="AzureWebJobsStorage",
    table_name="People",
    partition_key="people",
    row_key="{id}",
)
def addkeyed(req: func.HttpRequest, row: func.Out[bytes]) -> func.HttpResponse:
    row.set(req.get_body())
    return func.HttpResponse(status_code=204)


@app.route(route="returned", methods=["POST"], binding_arg_name="resp")
@app.table_output(arg_name="$return", connection="AzureWebJobsStorage", table_name="People")
def returned(req: func.HttpRequest, resp: func.Out[func.HttpResponse]) -> str:
    row = json.dumps({"PartitionKey": "returned", "RowKey": req.params["row"]})
    resp.set(func.HttpResponse(row, mimetype="application/json"))
    return row


@app.route(route="people/{id}", methods=["GET"])
@app.table_input(
    arg_name="row",
    connection="AzureWebJobsStorage",
    table_name="People",
    partition_key="people",
    row_key="{id}",
)
def one(req: func.HttpRequest, row: dict | None) -> func.HttpResponse:
    if not row:
        return func.HttpResponse(f"no {req.route_params['id']}: {row!r}", status_code=404)
    return func.HttpResponse(json.dumps(row), mimetype="application/json")


@app.route(route="text/{id}", methods=["GET"])
@app.table_input(
    arg_name="row",
    connection="AzureWebJobsStorage",
    table_name="People",
    partition_key="people",
    row_key="{id}",
)
def text(req: func.HttpRequest, row) -> func.HttpResponse:
    assert isinstance(row, str)
    return func.HttpResponse(row, mimetype="application/json")


@app.route(route="everybody", methods=["GET"])
@app.table_input(
    arg_name="rows", connection="AzureWebJobsStorage", table_name="people", partition_key="people"
)
def everybody(req: func.HttpRequest, rows: str) -> func.HttpResponse:
    return func.HttpResponse(json.dumps([row["RowKey"] for row in json.loads(rows)]))


@app.route(route="adults/{city}/{age:int}", methods=["GET"])
@app.table_input(
    arg_name="rows",
    connection="AzureWebJobsStorage",
    table_name="People",
    partition_key="people",
    filter="City eq '{city}' and Age ge {age}",
    take=2,
)
def adults(req: func.HttpRequest, rows: str) -> func.HttpResponse:
    return func.HttpResponse(json.dumps([row["RowKey"] for row in json.loads(rows)]))


@app.route(route="search", methods=["GET"])
@app.table_input(
    arg_name="rows",
    connection="AzureWebJobsStorage",
    table_name="People",
    partition_key="people",
    filter="{query.filter}",
)
def search(req: func.HttpRequest, rows: str) -> func.HttpResponse:
    return func.HttpResponse(json.dumps([row["RowKey"] for row in json.loads(rows)]))


@app.route(route="both", methods=["POST"])
@app.table_output(
    arg_name="row",
    connection="AzureWebJobsStorage",
    table_name="Orders",
    partition_key="orders",
    row_key="{id}",
)
@app.queue_output(arg_name="message", queue_name="orders", connection="AzureWebJobsStorage")
def both(req: func.HttpRequest, row: func.Out[str], message: func.Out[str]) -> func.HttpResponse:
    row.set(json.dumps({"Total": req.get_json()["total"]}))
    message.set(req.get_body().decode())
    return func.HttpResponse(status_code=202)


@app.queue_trigger(arg_name="msg", queue_name="orders", connection="AzureWebJobsStorage", max_dequeue_count=2)
@app.table_input(
    arg_name="order",
    connection="AzureWebJobsStorage",
    table_name="Orders",
    partition_key="orders",
    row_key="{id}",
)
@app.table_output(
    arg_name="shipped",
    connection="AzureWebJobsStorage",
    table_name="Shipped",
    partition_key="orders",
    row_key="{customer}",
)
@app.queue_output(arg_name="receipt", queue_name="receipts", connection="AzureWebJobsStorage")
def ship(msg: func.QueueMessage, order: str, shipped: func.Out[str], receipt: func.Out[str]) -> None:
    shipped.set(json.dumps({"Total": json.loads(order)[0]["Total"]}))
    receipt.set(msg.get_json()["customer"])


@app.route(route="shipped", methods=["GET"])
@app.table_input(arg_name="rows", connection="AzureWebJobsStorage", table_name="Shipped")
def shipped(req: func.HttpRequest, rows: str) -> func.HttpResponse:
    return func.HttpResponse(json.dumps({row["RowKey"]: row["Total"] for row in json.loads(rows)}))


@app.route(route="birthday/{id}", methods=["POST"])
@app.table_input(
    arg_name="row",
    connection="AzureWebJobsStorage",
    table_name="People",
    partition_key="people",
    row_key="{id}",
)
@app.table_output(arg_name="changed", connection="AzureWebJobsStorage", table_name="People")
def birthday(req: func.HttpRequest, row: str, changed: func.Out[str]) -> func.HttpResponse:
    [person] = json.loads(row)
    person["Age"] += 1
    person["odata.etag"] = "*"
    changed.set(json.dumps(person))
    return func.HttpResponse(str(person["Age"]))
