import asyncio
import contextvars
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import azure.functions as func
import state

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

second_came = asyncio.Event()

who = contextvars.ContextVar("who")


async def child():
    await asyncio.sleep(0)
    logging.info("task of %s", who.get())
    return who.get()


@app.route(route="thread")
def thread(req: func.HttpRequest):
    return f"{threading.current_thread() is threading.main_thread()}"


@app.route(route="hold")
def hold(req: func.HttpRequest):
    state.running.append(threading.get_ident())
    state.gate.wait(20)
    return f"{len(state.running)}"


@app.route(route="held")
async def held(req: func.HttpRequest):
    return f"{len(state.running)}"


@app.route(route="release")
async def release(req: func.HttpRequest):
    held = len(state.running)
    state.gate.set()
    return f"{held}"


@app.route(route="loop")
async def loop(req: func.HttpRequest):
    on_main = threading.current_thread() is threading.main_thread()
    return f"{id(asyncio.get_running_loop())} {on_main}"


@app.route(route="loop2")
async def loop2(req: func.HttpRequest):
    on_main = threading.current_thread() is threading.main_thread()
    return f"{id(asyncio.get_running_loop())} {on_main}"


@app.route(route="meet")
async def meet(req: func.HttpRequest):
    if req.params.get("first"):
        await asyncio.wait_for(second_came.wait(), 20)
        return "met"
    second_came.set()
    return "second"


@app.route(route="own_loop")
def own_loop(req: func.HttpRequest):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(asyncio.sleep(0, "ran on its own loop"))
    finally:
        loop.close()
        asyncio.set_event_loop(None)


@app.route(route="asyncio_run")
def asyncio_run(req: func.HttpRequest):
    return asyncio.run(asyncio.sleep(0, "ran"))


@app.route(route="tasks")
async def tasks(req: func.HttpRequest):
    who.set(req.params["who"])
    task = asyncio.create_task(child())
    task11 = asyncio.create_task(child(), context=contextvars.copy_context())
    group = await asyncio.gather(child(), asyncio.ensure_future(child()))
    threaded = await asyncio.to_thread(who.get)
    return " ".join([await task, await task11, *group, threaded])


@app.route(route="pools")
async def pools(req: func.HttpRequest):
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, logging.info, "from run_in_executor")
    await asyncio.to_thread(logging.info, "from to_thread")
    with ThreadPoolExecutor() as pool:
        await loop.run_in_executor(pool, logging.info, "from a pool of its own")
        list(pool.map(print, ["printed in a pool"]))
    thread = threading.Thread(target=logging.info, args=["from a thread"])
    thread.start()
    thread.join()
    return "done"


@app.route(route="unfinished")
def unfinished(req: func.HttpRequest):
    print("without an end", end="")
    return "done"


@app.route(route="keyword")
def keyword(*, req: func.HttpRequest):
    return "by keyword"


@app.route(route="fails")
def fails(req: func.HttpRequest):
    raise ValueError("not today")


@app.route(route="fails_async")
async def fails_async(req: func.HttpRequest):
    raise ValueError("not now")


@app.route(route="generator")
def generator(req: func.HttpRequest):
    yield "one "
    yield "two"


@app.route(route="process")
def process(req: func.HttpRequest):
    return f"{os.getpid()}"
