import logging
import time
from pathlib import Path

import azure.functions as func


def main(msg: func.QueueMessage) -> None:
    text = msg.get_body().decode()
    logging.info("work begins: %s", text)
    while text == "gated" and not Path("gate").exists():
        time.sleep(0.005)
    logging.info("work ends: %s", text)
