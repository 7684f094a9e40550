import json

import azure.functions as func


def main(req: func.HttpRequest, row: str, changed: func.Out[str]) -> func.HttpResponse:
    [person] = json.loads(row)
    person["Age"] += 1
    person["odata.etag"] = "*"
    changed.set(json.dumps(person))
    return func.HttpResponse(str(person["Age"]))
