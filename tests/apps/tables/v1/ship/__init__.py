import json

import azure.functions as func


def main(msg: func.QueueMessage, order: str, shipped: func.Out[str], receipt: func.Out[str]) -> None:
    shipped.set(json.dumps({"Total": json.loads(order)[0]["Total"]}))
    receipt.set(msg.get_json()["customer"])
