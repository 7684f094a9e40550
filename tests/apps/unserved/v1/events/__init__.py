import json

import azure.functions as func


def main(event: str, doc: func.Out[str], rows: str) -> None:
    doc.set(json.dumps({"event": event, "rows": rows}))
