"""Runs for each new receipt: what it returns waits in the queue `notifications` for whoever sends the mail."""

import logging


def main(receipt: dict) -> dict:
    text = f"{receipt['quantity']} x {receipt['item']}, {receipt['total']} in all: on its way."
    logging.info("to %s: %s", receipt["customer"], text)
    return {"to": receipt["customer"], "orderId": receipt["orderId"], "text": text}
