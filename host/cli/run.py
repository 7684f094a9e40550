"""`funchost run`: one run of a function, in a running host that has it, else in a host for this run alone."""

from __future__ import annotations

import asyncio
import base64
import sys
from datetime import timedelta
from typing import Any, NoReturn

import click
import msgspec

from ...bindings.errors import BindingError, ConfigurationError, HostUnreachable
from ...triggers.descriptor import Problem
from ..logs.log import Log
from .access import app_errors, check_function, hosts_of
from .main import run_async
from .options import App, Content, Duration, app_options, json_option
from .output import Exit, emit_json, fail, show_problems, talk

#: How long what belongs to a run that is over may take to end.
_END = timedelta(seconds=1)


@click.command()
@click.argument("name")
@click.option("--data", type=Content(), help="What to run it with: text, @FILE, or - for standard input.")
@click.option("--timeout", type=Duration(), help="How long to wait for it, such as 30s. Default: no limit.")
@json_option
@app_options
def run(app: App, name: str, data: bytes | None, timeout: timedelta | None, as_json: bool) -> None:
    """Run a function once, now, and print its result.

    DATA is the body of a message or request, the container/name of a blob, or the path of a file; a timer needs
    none. What the function logs goes to stderr, or to the log of the running host that runs it.
    """
    run_and_show(app, name, data, timeout, as_json=as_json)


def run_and_show(
    app: App, name: str, data: bytes | None, timeout: timedelta | None, *, as_json: bool
) -> None:
    """Run a function, print its result, and end the command with the code that belongs to that."""
    try:
        document = _in_running_host(app, name, data, timeout)
        if document is None:
            document = run_async(lambda: _in_own_host(app, name, data, timeout))
    except BindingError as error:
        fail(error, Exit.USAGE)
    if as_json:
        emit_json(document)
    else:
        _print_result(document)
    if document["status"] != "succeeded":
        _fail(document)


def _in_running_host(
    app: App, name: str, data: bytes | None, timeout: timedelta | None
) -> dict[str, Any] | None:
    """The outcome of a run in a host that serves the function; None when none does."""
    silent: HostUnreachable | None = None
    for host in hosts_of(app):
        if host.serves(name):
            try:
                host.ping()
            except HostUnreachable as error:
                silent = error
                continue
            document = host.run(name, data, timeout)
            _show_traceback(document)
            return document
    if silent:
        raise silent
    return None


async def _in_own_host(app: App, name: str, data: bytes | None, timeout: timedelta | None) -> dict[str, Any]:
    from ..configuration import HostOptions, Mode
    from ..host import Host

    log = Log(sys.stderr, "pretty" if sys.stderr.isatty() else "plain")
    options = HostOptions(
        root=app.root, store=app.store, functions=frozenset({name}), workers=1, mode=Mode.RUN
    )
    host = Host(options, log)
    try:
        host.prepare()
        await host.open()
        try:
            if name.lower() in (status.name.lower() for status in host.functions.status()):
                return await _run(host, name, data, timeout)
        finally:
            await host.stop(_END)
        await check_function(app, name)
        raise ConfigurationError(f"The function '{name}' came while it was looked for: try again.")
    finally:
        log.close()


async def _run(host: Any, name: str, data: bytes | None, timeout: timedelta | None) -> dict[str, Any]:
    from ..execution.outcome import outcome_document

    served = host.functions.get(name)
    if served is None or served.error:
        show_problems(_in_the_way(host.problems, name))
        raise ConfigurationError(f"The function '{name}' is in error, so it cannot be run.")
    try:
        async with asyncio.timeout(timeout.total_seconds() if timeout is not None else None):
            return await outcome_document(await served.run(data), served.descriptor)
    except TimeoutError:
        seconds = timeout.total_seconds() if timeout else 0
        raise TimeoutError(f"{name} has not ended within {seconds:g} s, and was stopped.") from None


def _in_the_way(problems: list[Problem], name: str) -> list[Problem]:
    """What is wrong with the app as a whole, and all that is to be said of the function."""
    own = [problem for problem in problems if (problem.function or "").lower() == name.lower()]
    return [*app_errors(problems), *own]


def _print_result(document: dict[str, Any]) -> None:
    status = document.get("http", {}).get("status", 200)
    if document["status"] == "succeeded" and not 200 <= status < 300:
        talk(f"HTTP {status}")
    if "result" in document:
        text = document["result"]
        click.echo(text, nl=not text.endswith("\n"))
    elif "resultBase64" in document:
        sys.stdout.buffer.write(base64.b64decode(document["resultBase64"]))
        sys.stdout.buffer.flush()
    for output in document.get("outputs", ()):
        talk(f"not sent: {output['name']} ({output['type']}): {_value_text(output)}")


def _value_text(output: dict[str, Any]) -> str:
    value = output.get("value", output.get("valueBase64"))
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _show_traceback(document: dict[str, Any]) -> None:
    """What stands in our log when the function runs here stands in its host's when it runs there."""
    traceback = document.get("error", {}).get("traceback")
    if traceback:
        talk(traceback.rstrip())


def _fail(document: dict[str, Any]) -> NoReturn:
    error = document.get("error") or {"type": document["status"], "message": "it gave no reason"}
    tries = f" after {document['attempts']} attempts" if document["attempts"] > 1 else ""
    code = Exit.TIMEOUT if document["status"] == "timed-out" else Exit.FAILED
    fail(f"{document['function']} failed{tries}: {error['type']}: {error['message']}", code)
