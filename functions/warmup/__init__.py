"""Runs once in the life of a host, when something asks for /admin/warmup: the place to fill caches."""

import logging


def main(warmup: str) -> None:
    logging.info("warm")
