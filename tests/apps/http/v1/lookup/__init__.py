import azure.functions as func


def main(req: func.HttpRequest) -> str:
    found = [req.headers["x-mixed-case"], req.headers.get("X-MIXED-CASE"), str("X-Mixed-case" in req.headers)]
    return "|".join([*found, str(req.headers.get("X-Missing")), str(req.params.get("missing"))])
