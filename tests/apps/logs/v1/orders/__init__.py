import logging

import azure.functions as func


def main(msg: func.QueueMessage) -> None:
    logging.info("order %s", msg.get_body().decode())
    if msg.get_body() == b"bad":
        raise ValueError("a bad order")
