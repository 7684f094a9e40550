import asyncio
import os
import signal
import sys
import threading

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")


class MuteRepr(Exception):
    def __str__(self):
        sys.exit("not even this")

    __repr__ = __str__


class Harsh(BaseException):
    pass


def down():
    return down()


FORGOTTEN = ("json", "asyncio", "logging", "azure", "__app__", "inspect", "traceback", "encodings")


@app.route(route="ok")
def ok(req: func.HttpRequest):
    return "fine"


@app.route(route="exit")
def exit(req: func.HttpRequest):
    sys.exit("enough")


@app.route(route="exit_zero")
def exit_zero(req: func.HttpRequest):
    sys.exit()


@app.route(route="os_exit")
def os_exit(req: func.HttpRequest):
    os._exit(7)


@app.route(route="mute")
def mute(req: func.HttpRequest):
    raise Mute


@app.route(route="mute_repr")
def mute_repr(req: func.HttpRequest):
    raise MuteRepr


@app.route(route="harsh")
def harsh(req: func.HttpRequest):
    raise Harsh("beyond Exception")


@app.route(route="interrupt")
def interrupt(req: func.HttpRequest):
    raise KeyboardInterrupt


@app.route(route="generator_exit")
def generator_exit(req: func.HttpRequest):
    raise GeneratorExit


@app.route(route="cancelled")
def cancelled(req: func.HttpRequest):
    raise asyncio.CancelledError


@app.route(route="stop_iteration")
def stop_iteration(req: func.HttpRequest):
    raise StopIteration("over")


@app.route(route="group")
def group(req: func.HttpRequest):
    raise ExceptionGroup("several", [ValueError("a"), TypeError("b")])


@app.route(route="recursion")
def recursion(req: func.HttpRequest):
    return down()


@app.route(route="prints")
def prints(req: func.HttpRequest):
    for number in range(10_000):
        print(f"{number:05}" + "x" * 1000)
    return "printed"


@app.route(route="prints_one_line")
def prints_one_line(req: func.HttpRequest):
    print("y" * 10_000_000)
    return "printed"


@app.route(route="chdir")
def chdir(req: func.HttpRequest):
    os.chdir("/")
    return os.getcwd()


@app.route(route="close_stdout")
def close_stdout(req: func.HttpRequest):
    sys.stdout.close()
    sys.stderr.close()
    print("still heard")
    return "closed"


@app.route(route="no_stdout")
def no_stdout(req: func.HttpRequest):
    sys.stdout = None
    return "removed"


@app.route(route="close_fds")
def close_fds(req: func.HttpRequest):
    os.close(1)
    os.close(2)
    return "closed"


@app.route(route="close_all")
def close_all(req: func.HttpRequest):
    os.closerange(3, 256)
    return "closed"


@app.route(route="forget")
def forget(req: func.HttpRequest):
    for name in list(sys.modules):
        if name.partition(".")[0] in FORGOTTEN:
            del sys.modules[name]
    return "forgotten"


@app.route(route="stop_loop")
async def stop_loop(req: func.HttpRequest):
    asyncio.get_running_loop().stop()
    await asyncio.sleep(3600)


@app.route(route="huge")
def huge(req: func.HttpRequest):
    return "h" * 20_000_000


@app.route(route="wrong")
def wrong(req: func.HttpRequest):
    return object()


@app.route(route="wrong_set")
def wrong_set(req: func.HttpRequest):
    return {1, 2}


@app.route(route="wrong_nan")
def wrong_nan(req: func.HttpRequest):
    return {"value": object()}


@app.route(route="surrogate")
def surrogate(req: func.HttpRequest):
    return "\ud800"


@app.route(route="thread_fails")
def thread_fails(req: func.HttpRequest):
    thread = threading.Thread(target=down)
    thread.start()
    thread.join()
    return "joined"


@app.route(route="kill")
def kill(req: func.HttpRequest):
    os.kill(os.getpid(), signal.SIGKILL)


@app.route(route="terminate")
def terminate(req: func.HttpRequest):
    os.kill(os.getpid(), signal.SIGTERM)
    return "still here"


@app.route(route="abort")
def abort(req: func.HttpRequest):
    os.abort()


@app.route(route="environ")
def environ(req: func.HttpRequest):
    os.environ.clear()
    return f"{len(os.environ)}"


@app.route(route="path")
def path(req: func.HttpRequest):
    sys.path.clear()
    sys.argv.clear()
    return "cleared"


@app.route(route="limit")
def limit(req: func.HttpRequest):
    sys.setrecursionlimit(120)
    return "low"


@app.route(route="exit_async")
async def exit_async(req: func.HttpRequest):
    sys.exit("enough")


@app.route(route="harsh_async")
async def harsh_async(req: func.HttpRequest):
    raise Harsh("beyond Exception")


@app.route(route="interrupt_async")
async def interrupt_async(req: func.HttpRequest):
    raise KeyboardInterrupt


@app.route(route="cancelled_async")
async def cancelled_async(req: func.HttpRequest):
    raise asyncio.CancelledError


@app.route(route="recursion_async")
async def recursion_async(req: func.HttpRequest):
    return down()


@app.route(route="stop_iteration_async")
async def stop_iteration_async(req: func.HttpRequest):
    raise StopIteration("over")


@app.route(route="generator_exit_async")
async def generator_exit_async(req: func.HttpRequest):
    raise GeneratorExit
