"""Runs for each CSV file that lands in import/: every row becomes one message on the queue `orders`."""

import csv
import logging


def main(file: str) -> list[dict]:
    # Spreadsheets like to begin a CSV file with a byte order mark.
    orders = list(csv.DictReader(file.removeprefix("\ufeff").splitlines()))
    logging.info("%d orders imported", len(orders))
    return orders
