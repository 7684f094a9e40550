import logging

import azure.functions as func


def main(msg: func.QueueMessage) -> None:
    logging.info("off was run with: %s", msg.get_body().decode())
