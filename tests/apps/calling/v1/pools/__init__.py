import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor


async def main(req):
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
