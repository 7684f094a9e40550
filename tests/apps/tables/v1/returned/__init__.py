import json

import azure.functions as func


def main(req: func.HttpRequest, resp: func.Out[func.HttpResponse]) -> str:
    row = json.dumps({"PartitionKey": "returned", "RowKey": req.params["row"]})
    resp.set(func.HttpResponse(row, mimetype="application/json"))
    return row
