import asyncio


async def main(req):
    asyncio.get_running_loop().stop()
    await asyncio.sleep(3600)
