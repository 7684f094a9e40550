"""What a function can do to logs and streams, by name; `?do=<name>` asks for one."""

import asyncio
import io
import logging
import logging.config
import os
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

log = logging.getLogger("shop.orders")
log.setLevel(logging.DEBUG)

logging.addLevelName(25, "NOTICE")
logging.addLevelName(5, "TRACE")

pool = ThreadPoolExecutor(1)
pool.submit(int).result()

print("the module is imported")


def levels(context):
    logging.debug("root at debug")
    logging.info("root at info")
    log.debug("shop at debug")
    log.warning("shop at warning")
    log.error("shop at error")
    log.critical("shop at critical")


def own_levels(context):
    log.log(25, "a notice")
    log.log(5, "a trace that nobody asked for")
    tracing = logging.getLogger("shop.tracing")
    tracing.setLevel(1)
    tracing.log(5, "a trace")


def prints(context):
    print("printed to stdout")
    print("printed to stderr", file=sys.stderr)
    print("printed without an end", end="")


def system(context):
    logging.getLogger("azure.functions.something").warning("of the library")
    logging.getLogger("azure_functions_worker").error("of the worker")
    print("LanguageWorkerConsoleLog of the console")
    logging.getLogger("azure.storage").info("of a package")


def catches(context):
    try:
        {}["order"]
    except KeyError:
        logging.exception("no such order")


def raises(context):
    raise ValueError("no such order at all")


def thread(context):
    started = threading.Thread(target=logging.info, args=("from a thread",))
    started.start()
    started.join()


def pooled(context):
    pool.submit(logging.info, "from a pool").result()


def named(context):
    """A thread that was there before, and says itself whom it works for."""
    done = threading.Event()
    work.append((context, done))
    wake.release()
    done.wait(5)


work = []
wake = threading.Semaphore(0)


def serve():
    while wake.acquire():
        context, done = work.pop()
        context.thread_local_storage.invocation_id = context.invocation_id
        log.info("from a thread of old for %s", context.invocation_id)
        done.set()


threading.Thread(target=serve, daemon=True).start()


def malformed(context):
    logging.info("%d orders", "many")
    logging.info("half a \ud800 pair")
    print("half a \ud800 pair on stdout")
    logging.info("with more", extra={"order": 7})


def long_line(context):
    logging.info("x" * 2_000_000 + " end of the long one")


def ten_megabytes(context):
    for number in range(10_000):
        print("y" * 1023)
    print("end of the many")


def one_of_ten_megabytes(context):
    print("z" * 10_000_000)
    print("end of the wide one")


def closes_streams(context):
    sys.stdout.close()
    sys.stderr.close()
    print("after closing")


def replaces_stream(context):
    old, sys.stdout = sys.stdout, io.StringIO()
    print("into the void")
    sys.stdout = old
    print("back again")


def breaks_stream(context):
    old = sys.stdout
    sys.stdout = io.StringIO()
    sys.stdout.close()
    threading.Timer(1, setattr, (sys, "stdout", old)).start()
    logging.info("with a broken stream")


def closes_descriptor(context):
    os.close(1)
    print("without a descriptor")


def native(context):
    os.write(2, b"past all streams\n")
    os.system("echo from a child")


def leaves_exception_in_thread(context):
    def fail():
        raise RuntimeError("nobody waits for this thread")

    failing = threading.Thread(target=fail)
    failing.start()
    failing.join()


def prints_traceback(context):
    try:
        1 / 0
    except ZeroDivisionError:
        traceback.print_exc()


async def task(context):
    async def inner():
        await asyncio.sleep(0.01)
        logging.info("from a task")

    await asyncio.create_task(inner())
    await asyncio.to_thread(logging.info, "from to_thread")
    await asyncio.get_running_loop().run_in_executor(pool, logging.info, "from an executor")


async def crowd(context):
    """Many at once do not mix."""

    async def one(number):
        await asyncio.sleep(0.001 * number)
        logging.info("crowd %s of %s", number, context.invocation_id)

    await asyncio.gather(*(one(number) for number in range(5)))


def do(name, context):
    """Do a plain deed."""
    globals()[name](context)
