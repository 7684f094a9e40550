"""Works off one order of the queue: the receipt it returns becomes a blob, which `notify` picks up."""

import logging
from decimal import Decimal


def main(order: dict) -> dict:
    quantity = int(order["quantity"])
    if quantity < 1:
        raise ValueError(f"the quantity is {quantity}, an order needs 1 or more")
    total = quantity * Decimal(str(order["price"]))
    logging.info("order %s: %d x %s for %s", order["orderId"], quantity, order["item"], order["customer"])
    return {
        "orderId": order["orderId"],
        "customer": order["customer"],
        "item": order["item"],
        "quantity": quantity,
        "total": f"{total:.2f}",
    }
