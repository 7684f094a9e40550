import asyncio

second_came = asyncio.Event()


async def main(req):
    if req.params.get("first"):
        await asyncio.wait_for(second_came.wait(), 20)
        return "met"
    second_came.set()
    return "second"
