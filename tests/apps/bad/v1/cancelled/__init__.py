import asyncio


def main(req):
    raise asyncio.CancelledError
