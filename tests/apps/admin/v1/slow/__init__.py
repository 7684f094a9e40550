import logging
import time
from pathlib import Path

import azure.functions as func


def main(req: func.HttpRequest) -> str:
    logging.info("slow begins")
    while not Path("gate").exists():
        time.sleep(0.005)
    return "slow ended"
