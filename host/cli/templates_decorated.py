"""The texts that `scaffold` adds to the script of an app in the v2 model: a first function for each trigger."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .templates import slug

#: The files of an empty app, beside those that every app has.
SCRIPT = "import logging\n\nimport azure.functions as func\n\napp = func.FunctionApp()\n"


def _http(name: str, call: str) -> str:
    return f'''\
@app.route(route="{name}", methods=["GET", "POST"])
def {call}(req: func.HttpRequest) -> func.HttpResponse:
    """Answers /api/{name}?name=Ada."""
    return func.HttpResponse(f"Hello, {{req.params.get('name', 'world')}}!\\n")
'''


def _queue(name: str, call: str) -> str:
    queue = slug(name)
    return f'''\
@app.queue_trigger(arg_name="msg", queue_name="{queue}", connection="AzureWebJobsStorage")
def {call}(msg: func.QueueMessage) -> None:
    """Runs for each message of the queue `{queue}`: funchost queues send {queue} hello"""
    logging.info("a message: %s", msg.get_body().decode())
'''


def _timer(name: str, call: str) -> str:
    return f'''\
@app.timer_trigger(arg_name="timer", schedule="0 */5 * * * *")
def {call}(timer: func.TimerRequest) -> None:
    """Runs every five minutes: the fields of a schedule are second, minute, hour, day, month, day of week."""
    logging.info("late" if timer.past_due else "on time")
'''


def _blob(name: str, call: str) -> str:
    container = slug(name)
    return f'''\
@app.blob_trigger(arg_name="content", path="{container}/{{name}}", connection="AzureWebJobsStorage")
def {call}(content: func.InputStream) -> None:
    """Runs for each new or changed blob of the container `{container}`, a folder under .funchost/blobs/."""
    logging.info("%s has %s bytes", content.name, content.length)
'''


def _file(name: str, call: str) -> str:
    folder = f"import/{slug(name)}"
    return f'''\
@app.generic_trigger(arg_name="content", type="fileTrigger", path="{folder}/{{name}}")
def {call}(content: str) -> None:
    """Runs for each file that is put into {folder}/ or changed there."""
    logging.info("a file of %d lines", len(content.splitlines()))
'''


def _manual(name: str, call: str) -> str:
    return f'''\
@app.generic_trigger(arg_name="data", type="manualTrigger")
def {call}(data: str) -> str:
    """Runs by hand only: funchost run {name} --data hello"""
    return f"done with {{data!r}}"
'''


#: By the kind of trigger; each takes the function's name and that of its Python function.
FUNCTIONS: Mapping[str, Callable[[str, str], str]] = {
    "http": _http,
    "queue": _queue,
    "timer": _timer,
    "blob": _blob,
    "file": _file,
    "manual": _manual,
}
