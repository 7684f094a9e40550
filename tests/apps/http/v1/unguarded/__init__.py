import json

import azure.functions as func


def main(req: func.HttpRequest) -> str:
    return json.dumps(req.get_json())
