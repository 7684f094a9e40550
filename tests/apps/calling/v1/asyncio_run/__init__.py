import asyncio


def main(req):
    return asyncio.run(asyncio.sleep(0, "ran"))
