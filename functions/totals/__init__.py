"""Once a minute: adds up all receipts; the sums it returns become the blob reports/totals.json."""

import logging
from collections import defaultdict
from decimal import Decimal


def main(timer: dict, receipts: list[dict]) -> dict:  # cardinality many: every blob of the container
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
