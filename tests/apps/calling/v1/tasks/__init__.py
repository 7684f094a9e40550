import asyncio
import contextvars
import logging

who = contextvars.ContextVar("who")


async def child():
    await asyncio.sleep(0)
    logging.info("task of %s", who.get())
    return who.get()


async def main(req):
    who.set(req.params["who"])
    task = asyncio.create_task(child())
    task11 = asyncio.create_task(child(), context=contextvars.copy_context())
    group = await asyncio.gather(child(), asyncio.ensure_future(child()))
    threaded = await asyncio.to_thread(who.get)
    return " ".join([await task, await task11, *group, threaded])
