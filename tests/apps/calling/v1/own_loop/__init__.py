import asyncio


def main(req):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(asyncio.sleep(0, "ran on its own loop"))
    finally:
        loop.close()
        asyncio.set_event_loop(None)
