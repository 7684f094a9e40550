"""The texts that `scaffold` writes. A function's template takes its name and gives its files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

#: The files of an empty app.
APP: Mapping[str, str] = {
    # The bundle says nothing to this host; Azure takes the triggers' own code from it.
    "host.json": """\
{
  "version": "2.0",
  "extensionBundle": {
    "id": "Microsoft.Azure.Functions.ExtensionBundle",
    "version": "[4.*, 5.0.0)"
  }
}
""",
    "local.settings.json": """\
{
  "IsEncrypted": false,
  "Values": {
    "FUNCTIONS_WORKER_RUNTIME": "python",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true"
  }
}
""",
    "requirements.txt": "azure-functions\n",
    ".gitignore": "local.settings.json\n.funchost/\n.venv/\n__pycache__/\n",
    ".funcignore": "local.settings.json\n.git*\n.funchost/\n.venv/\n__pycache__/\ntests/\n",
}


def _http(name: str) -> dict[str, str]:
    return _files(
        [
            _binding("httpTrigger", "req", methods=["get", "post"], route=name, authLevel="function"),
            {"type": "http", "direction": "out", "name": "$return"},
        ],
        f'''\
"""Answers /api/{name}?name=Ada."""

import azure.functions as func


def main(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(f"Hello, {{req.params.get('name', 'world')}}!\\n")
''',
    )


def _queue(name: str) -> dict[str, str]:
    queue = slug(name)
    return _files(
        [_binding("queueTrigger", "msg", queueName=queue)],
        f'''\
"""Runs for each message of the queue `{queue}`: funchost queues send {queue} hello"""

import logging


def main(msg: str) -> None:
    logging.info("a message: %s", msg)
''',
    )


def _timer(name: str) -> dict[str, str]:
    return _files(
        [_binding("timerTrigger", "timer", schedule="0 */5 * * * *")],
        '''\
"""Runs every five minutes: the fields of a schedule are second, minute, hour, day, month, day of week."""

import logging


def main(timer: dict) -> None:
    logging.info("late" if timer["IsPastDue"] else "on time")
''',
    )


def _blob(name: str) -> dict[str, str]:
    container = slug(name)
    return _files(
        [_binding("blobTrigger", "content", path=f"{container}/{{name}}")],
        f'''\
"""Runs for each new or changed blob of the container `{container}`, a folder under .funchost/blobs/."""

import logging


def main(content: bytes) -> None:
    logging.info("a blob of %d bytes", len(content))
''',
    )


def _file(name: str) -> dict[str, str]:
    folder = f"import/{slug(name)}"
    return _files(
        [_binding("fileTrigger", "content", path=f"{folder}/{{name}}")],
        f'''\
"""Runs for each file that is put into {folder}/ or changed there."""

import logging


def main(content: str) -> None:
    logging.info("a file of %d lines", len(content.splitlines()))
''',
    )


def _manual(name: str) -> dict[str, str]:
    return _files(
        [_binding("manualTrigger", "data")],
        f'''\
"""Runs by hand only: funchost run {name} --data hello"""


def main(data: str) -> str:
    return f"done with {{data!r}}"
''',
    )


#: By the kind of trigger, as `funchost new --trigger` names it.
FUNCTIONS: Mapping[str, Callable[[str], dict[str, str]]] = {
    "http": _http,
    "queue": _queue,
    "timer": _timer,
    "blob": _blob,
    "file": _file,
    "manual": _manual,
}


def _binding(type: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"type": type, "direction": "in", "name": name, **fields}


def _files(bindings: list[dict[str, Any]], code: str) -> dict[str, str]:
    definition = {"scriptFile": "__init__.py", "bindings": bindings}
    return {"function.json": json.dumps(definition, indent=2) + "\n", "__init__.py": code}


def slug(name: str) -> str:
    """A name that queues and containers take: 3 to 63 lower-case letters, digits and single hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()[:50]).strip("-") + "-items"
