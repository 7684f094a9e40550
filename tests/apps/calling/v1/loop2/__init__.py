import asyncio
import threading


async def main(req):
    on_main = threading.current_thread() is threading.main_thread()
    return f"{id(asyncio.get_running_loop())} {on_main}"
