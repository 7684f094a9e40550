import asyncio


async def main(req):
    raise asyncio.CancelledError
