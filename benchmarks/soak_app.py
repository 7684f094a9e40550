"""The app of the soak: each trigger, outputs of each kind, retry, poison, singleton and batch, all of which take notes.

    POST /api/front ─┐                  ┌─> blob results/<id>.txt ──> echo
                     ├─> jobs ──> work ─┼─> table Results
    store ───────────┘                  └─> middle ──> second ──> later (delayed) ──> late (with a retry policy)
    store ──> guarded (singleton by customer) · many (a batch function) · bad (always fails, or ends its worker)
    blob incoming/<id>.txt ──> blob · file incoming/<id>.txt ──> file · every second ──> tick

A message is its id. Each completed run puts that into the queue `<queue>-done`, which nobody reads: that is the
evidence of the completion, since the store keeps both in one transaction.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.apps import App, http_trigger, queue_output, queue_trigger

#: Deliveries until a message of a function that works is given up: more than a soak can take from it.
PATIENT = 100

#: Of the messages of `many` and `later` those fail once whose checksum is a multiple of this.
FAILS_EACH = 5


@dataclass(frozen=True, slots=True)
class Flow:
    """What the ledger knows of one queue."""

    queue: str
    outputs: tuple[str, ...]
    tables: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    poison: str | None = None
    #: Messages that may wait in it before no more are sent; 0: nobody sends to it from outside.
    backlog: int = 0
    #: Where the id stands in a JSON body; empty: the body is the id.
    id_field: str = ""
    #: Whether what a run gets is one message, so that the history tells of which it was.
    recorded: bool = True

    def id_of(self, body: bytes) -> str:
        """The id of the message with this body."""
        if not self.id_field:
            return body.decode()
        return Path(str(json.loads(body)[self.id_field])).stem


JOBS = Flow("jobs", ("jobs-done",), tables=("Results",), blobs=("results",), backlog=200)
MIDDLE = Flow("middle", ("middle-done",))
LATER = Flow("later", ("later-done",))
GUARDED = Flow("guarded", ("guarded-done",), backlog=60, id_field="id")
MANY = Flow("many", ("many-done",), backlog=200, recorded=False)
BAD = Flow("bad", ("bad-done",), backlog=6)
BLOBS = Flow(
    "azure-webjobs-blobtrigger-blob",
    ("blobs-done",),
    poison="webjobs-blobtrigger-poison",
    backlog=60,
    id_field="BlobName",
    recorded=False,
)
FILES = Flow(
    "azure-webjobs-filetrigger-file",
    ("files-done",),
    poison="webjobs-filetrigger-poison",
    backlog=60,
    id_field="Path",
    recorded=False,
)
FLOWS = (JOBS, MIDDLE, LATER, GUARDED, MANY, BAD, BLOBS, FILES)

#: The internal queue of `echo`, and what its runs put out: one for each version of a result.
ECHO = "azure-webjobs-blobtrigger-echo"
ECHO_DONE = "results-done"

_FRONT = """
import typing
import azure.functions as func

def main(req: func.HttpRequest, jobs: func.Out[typing.List[str]]) -> str:
    jobs.set(req.get_body().decode().split())
    return "taken"
"""

_WORK = """
import json, random, time
import azure.functions as func
from ledger import note

def main(job: str, middle: func.Out[str], result: func.Out[str], row: func.Out[str]) -> str:
    note("start", job)
    time.sleep(random.random() / 50)
    middle.set("m-" + job)
    result.set(job)
    row.set(json.dumps({"PartitionKey": "soak", "RowKey": job}))
    note("end", job)
    return job
"""

_SECOND = """
import azure.functions as func
from ledger import note

async def main(job: str, later: func.Out[str]) -> str:
    note("start", job)
    later.set("l-" + job)
    note("end", job)
    return job
"""

_LATE = f"""
import zlib
from ledger import note

def main(job: str, context) -> str:
    note("start", job)
    retry = context.retry_context
    if zlib.crc32(job.encode()) % {FAILS_EACH} == 0 and not (retry and retry.retry_count):
        raise RuntimeError("once more, please")
    note("end", job)
    return job
"""

_GUARDED = """
import os, time
from ledger import note

def main(job: dict, context) -> str:
    note("start", job["id"])
    note("hold", job["customer"], context.fence, os.getpid())
    time.sleep(0.005)
    note("free", job["customer"], context.fence, os.getpid())
    note("end", job["id"])
    return job["id"]
"""

_MANY = f"""
import typing, zlib
import azure.functions as func
from ledger import note

def main(job: typing.List[func.QueueMessage], done: func.Out[typing.List[str]]):
    good, failed = [], []
    for message in job:
        id = message.get_body().decode()
        note("start", id)
        if zlib.crc32(id.encode()) % {FAILS_EACH} == 0 and message.dequeue_count == 1:
            failed.append({{"itemIdentifier": message.id}})
        else:
            good.append(id)
            note("end", id)
    done.set(good)
    return {{"batchItemFailures": failed}}
"""

_BAD = """
import os
from ledger import note

def main(job: str) -> str:
    note("start", job)
    if job.endswith("-exit"):
        os._exit(3)
    raise ValueError("it is never done")
"""

_CONTENT = """
from ledger import note

def main(job: str) -> str:
    note("start", job)
    note("end", job)
    return job
"""

_ECHO = """
def main(job: str) -> str:
    return job
"""

_TICK = """
import os, time
from ledger import note

def main(timer) -> None:
    note("tick", os.getppid(), time.time())
    time.sleep(0.01)
    note("tock", os.getppid(), time.time())
"""


def make_app(root: Path) -> App:
    """Write the app."""
    queues = {"maxDequeueCount": PATIENT, "visibilityTimeout": "00:00:01"}
    blobs = {"poisonBlobThreshold": PATIENT}
    app = App(root, extensions={"queues": queues, "blobs": blobs}, functionTimeout="00:01:00")
    app.add("front", _FRONT, http_trigger("front"), _output("queue", "jobs", queueName="jobs"), _RESPONSE)
    app.add(
        "work",
        _WORK,
        queue_trigger("jobs"),
        queue_output("jobs-done"),
        _output("queue", "middle", queueName="middle"),
        _output("blob", "result", path="results/{queueTrigger}.txt"),
        _output("table", "row", tableName="Results"),
    )
    delayed = _output("queue", "later", queueName="later", visibilityDelay="00:00:01")
    app.add("second", _SECOND, queue_trigger("middle"), queue_output("middle-done"), delayed)
    retry = {"strategy": "fixedDelay", "maxRetryCount": 2, "delayInterval": "00:00:00.1"}
    app.add("late", _LATE, queue_trigger("later"), queue_output("later-done"), retry=retry)
    scope = {"scope": "{customer}"}
    app.add("guarded", _GUARDED, queue_trigger("guarded"), queue_output("guarded-done"), singleton=scope)
    many = queue_trigger("many", cardinality="many")
    app.add("many", _MANY, many, _output("queue", "done", queueName="many-done"))
    hopeless = queue_trigger("bad", maxDequeueCount=2, visibilityTimeout="00:00:00")
    app.add("bad", _BAD, hopeless, queue_output("bad-done"))
    app.add("blob", _CONTENT, _content("blobTrigger", "incoming/{name}.txt"), queue_output("blobs-done"))
    app.add("file", _CONTENT, _content("fileTrigger", "incoming/{name}.txt"), queue_output("files-done"))
    app.add("echo", _ECHO, _content("blobTrigger", "results/{name}.txt"), queue_output(ECHO_DONE))
    app.add("tick", _TICK, {"type": "timerTrigger", "name": "timer", "schedule": "* * * * * *"})
    (root / "incoming").mkdir()
    return app


def change_code(app: App, version: int, *, loads: bool = True) -> None:
    """Save a function's code anew; with ``loads=False`` so that it does not load."""
    app.write("work/__init__.py", f"{_WORK}\nVERSION = {version if loads else '='}\n")


_RESPONSE = {"type": "http", "direction": "out", "name": "$return"}


def _output(kind: str, name: str, **fields: str) -> dict[str, Any]:
    return {"type": kind, "direction": "out", "name": name, **fields}


def _content(kind: str, path: str) -> dict[str, Any]:
    return {"type": kind, "name": "job", "path": path}
