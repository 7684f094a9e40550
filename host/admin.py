"""The admin API: what tools ask a running host over HTTP (functions-semantics, section 12)."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec
from aiohttp.web import BaseRequest, Response, StreamResponse

from ..bindings.errors import FunchostError
from ..triggers.base import Outcome, Unsent
from .functions import FunctionStatus, ServedFunction
from .key_api import KeyApi
from .outcome import result_text

if TYPE_CHECKING:
    from .host import Host

#: The largest body of an admin request, in bytes.
MAX_BODY = 16 * 1024 * 1024

Answer = tuple[int, Any]
Route = Callable[[BaseRequest, list[str]], Awaitable[Answer]]


class Admin:
    """Answers `/admin/…`. Every path but the ping asks for the master key where keys are asked for at all."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._started = time.monotonic()
        self._running: set[asyncio.Task[Outcome]] = set()

    async def handle(self, request: BaseRequest) -> StreamResponse:
        """One request; never raises for what it holds."""
        try:
            status, value = await self._answer(request)
        except FunchostError as error:
            status, value = 400, {"error": str(error)}
        if value is None:
            return Response(status=status)
        return Response(status=status, body=msgspec.json.encode(value), content_type="application/json")

    async def _answer(self, request: BaseRequest) -> Answer:
        parts = [unquote(part) for part in request.path.strip("/").split("/")[1:]]
        where = [part.lower() for part in parts[:2]]
        if where == ["host", "ping"]:
            return 200, None
        if _is_foreign(request):
            return 403, {"error": "Requests from other origins are refused."}
        key = request.headers.get("x-functions-key") or request.query.get("code")
        if not self._host.authorize(key, "admin", ""):
            return 401, None
        if where == ["host", "status"]:
            return 200, self._status()
        if where[:1] == ["functions"]:
            return await self._functions(request, parts[1:])
        if where[:1] == ["host"]:
            return await self._keys(request, parts[1:], None)
        return 404, None

    # -- functions

    async def _functions(self, request: BaseRequest, parts: list[str]) -> Answer:
        if not parts:
            return 200, [self._described(status) for status in self._host.functions.status()]
        name, *rest = parts
        status = next(
            (one for one in self._host.functions.status() if one.name.lower() == name.lower()), None
        )
        if status is None:
            return 404, {"error": f"There is no function '{name}'."}
        if rest == ["status"]:
            return 200, {"errors": list(status.errors)}
        if rest[:1] == ["keys"]:
            return await self._keys(request, rest, status.name)
        if rest:
            return 404, None
        if request.method == "GET":
            return 200, self._described(status)
        return await self._run(request, status) if request.method == "POST" else (404, None)

    async def _run(self, request: BaseRequest, status: FunctionStatus) -> Answer:
        served = self._host.functions.get(status.name)
        if served is None or not self._host.pool.serves(status.name):
            return 409, {"error": f"The function '{status.name}' is in error: {' '.join(status.errors)}"}
        data, problem = await _input(request)
        if problem:
            return 400, {"error": problem}
        run = asyncio.create_task(served.run(data))
        self._running.add(run)
        run.add_done_callback(self._running.discard)
        if "wait" not in request.query:
            return 202, None
        # A caller that goes away does not stop the run.
        outcome = await asyncio.shield(run)
        return 200, await outcome_document(outcome)

    async def _keys(self, request: BaseRequest, parts: list[str], function: str | None) -> Answer:
        """The key API: a collection, or one key in it."""
        api = KeyApi(self._host.keys)
        collection, *name = parts
        if not name:
            return await api.list(collection, function) if request.method == "GET" else (404, None)
        if request.method == "PUT":
            return await api.set(name[0], await _json(request), collection, function)
        calls = {"GET": api.get, "POST": api.roll, "DELETE": api.delete}
        call = calls.get(request.method)
        return await call(name[0], collection, function) if call else (404, None)

    def _described(self, status: FunctionStatus) -> dict[str, Any]:
        served = self._host.functions.get(status.name)
        url = self._host.url
        return {
            "name": status.name,
            "trigger": status.trigger,
            "where": status.where,
            "state": status.state,
            "isDisabled": status.disabled,
            "errors": list(status.errors),
            "language": "python",
            "href": f"{url}/admin/functions/{status.name}",
            "invoke_url_template": _invoke_url(served, url),
            "config": _config(served),
        }

    def _status(self) -> dict[str, Any]:
        host = self._host
        return {
            "id": host.owner,
            "state": host.state,
            "version": host.version,
            "versionDetails": f"funchost {host.version}",
            "processUptime": int((time.monotonic() - self._started) * 1000),
            "pid": host.pid,
            "workers": host.pool.pids,
            "errors": [problem.message for problem in host.problems if problem.function is None],
        }


async def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """An outcome as the command line and other tools read it."""
    document: dict[str, Any] = {
        "function": outcome.function,
        "invocationId": outcome.invocation_id,
        "status": outcome.status.value,
        "attempts": outcome.attempts,
        "durationMs": round((outcome.ended - outcome.started).total_seconds() * 1000, 3),
        "kind": outcome.kind,
    }
    if outcome.error:
        document["error"] = {
            "type": outcome.error.type,
            "message": outcome.error.message,
            "traceback": outcome.error.traceback,
        }
    content = await result_text(outcome)
    if isinstance(content, str):
        document["result"] = content
    elif content is not None:
        document["resultBase64"] = base64.b64encode(content).decode()
    if outcome.unsent:
        document["outputs"] = [_unsent(each) for each in outcome.unsent]
    return document


def _unsent(output: Unsent) -> dict[str, Any]:
    """What would have been sent: JSON as such, text as text, anything else as `valueBase64`."""
    document: dict[str, Any] = {"name": output.name, "type": output.type}
    try:
        text = output.content.decode()
    except UnicodeDecodeError:
        return {**document, "valueBase64": base64.b64encode(output.content).decode()}
    return {**document, "value": msgspec.json.decode(text) if output.kind == "json" else text}


async def _input(request: BaseRequest) -> tuple[bytes | None, str | None]:
    """The data of a run by hand, or what is wrong with it: raw bytes, or Azure's `{"input": "…"}`."""
    body = await _body(request)
    if request.content_type == "application/octet-stream":
        return body, None
    if not body:
        return None, None
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None, 'The body is not JSON. Send {"input": "…"}, or raw data as application/octet-stream.'
    if not isinstance(value, dict):
        return None, 'The body must be an object such as {"input": "…"}.'
    given = value.get("input")
    if given is None:
        return None, None
    return (given.encode() if isinstance(given, str) else msgspec.json.encode(given)), None


async def _json(request: BaseRequest) -> Any:
    body = await _body(request)
    if not body:
        return None
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise FunchostError(f"The body is not JSON: {error}.") from error


async def _body(request: BaseRequest) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY:
            raise FunchostError(f"The body is over {MAX_BODY} bytes.")
    return bytes(body)


def _is_foreign(request: BaseRequest) -> bool:
    """Whether a page of another site had a browser send this."""
    origin = request.headers.get("Origin")
    if origin is None:
        return request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")
    return urlsplit(origin).netloc != request.headers.get("Host")


def _invoke_url(served: ServedFunction | None, url: str) -> str | None:
    if served is None or not served.is_http:
        return None
    return url + served.trigger.describe().rpartition(" ")[2]


def _config(served: ServedFunction | None) -> dict[str, Any] | None:
    if served is None:
        return None
    descriptor = served.descriptor
    bindings = [descriptor.trigger, *descriptor.bindings]
    return {
        "scriptFile": str(descriptor.script_file),
        "entryPoint": descriptor.entry_point,
        "bindings": [
            {"type": one.type, "name": one.name, "direction": one.direction, **one.fields} for one in bindings
        ],
    }
