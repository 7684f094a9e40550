"""The emulator of funchost with the tally of `benchmarks/sqs.py` in front of it. Prints its URL."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server import werkzeug_app
from sqs_tally import PATH, RECEIVE, Tally

from funchost.host.emulator.server import main

Application = Callable[..., Iterable[bytes]]


def counted(application: Application, tally: Tally) -> Application:
    """`application`, a method, with each of its calls counted."""
    lock = threading.Lock()

    def call(self: Any, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == PATH:
            start_response("200 OK", [("Content-Type", "application/json")])
            with lock:
                return [json.dumps(tally.steer(environ["QUERY_STRING"])).encode()]
        action = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        if action == RECEIVE:
            _wait_at_gate(tally, lock)
        answer = b"".join(application(self, environ, start_response))
        with lock:
            tally.note(action, answer.count(b'"ReceiptHandle"'), _deleted(action, answer))
        return [answer]

    return call


def _wait_at_gate(tally: Tally, lock: threading.Lock) -> None:
    with lock:
        tally.waiting += 1
    while tally.shut:
        time.sleep(0.005)
    with lock:
        tally.waiting -= 1


def _deleted(action: str, answer: bytes) -> int:
    if action == "DeleteMessageBatch":
        return len(json.loads(answer).get("Successful", ()))
    return 1 if action == "DeleteMessage" else 0


if __name__ == "__main__":
    dispatcher: Any = werkzeug_app.DomainDispatcherApplication
    dispatcher.__call__ = counted(dispatcher.__call__, Tally())
    main()
