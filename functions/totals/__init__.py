"""Once a minute: adds up all receipts; the sums it returns become the blob reports/totals.json."""

import json
import logging
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

# A binding brings one blob. To see them all, this reads the container, which is a plain folder on the embedded
# store; the working directory of a function is the app root.
RECEIPTS = Path(".funchost/blobs/receipts")


def main(timer: dict) -> dict:
    receipts = [json.loads(path.read_text("utf-8")) for path in RECEIPTS.glob("*.json")]
    customers = defaultdict(Decimal)
    for receipt in receipts:
        customers[receipt["customer"]] += Decimal(receipt["total"])
    total = sum(customers.values(), Decimal())
    logging.info("%d receipts, %.2f in all", len(receipts), total)
    return {
        "receipts": len(receipts),
        "total": f"{total:.2f}",
        "customers": {name: f"{spent:.2f}" for name, spent in sorted(customers.items())},
    }
