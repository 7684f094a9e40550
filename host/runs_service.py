"""``/runs/{id}``: where callers who did not wait ask for their runs, and end them.

Open to whoever shows the signature that the caller was given, a key of the function or the master key; on a developer's
host, to its developer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp.web import BaseRequest

from ..bindings.errors import NotFound, StoreError
from ..bindings.history import RunRecord, RunState
from ..triggers.http_response import Headers, Reply
from .admin.caller import is_foreign
from .callers.service import Callers
from .callers.status import result_reply, retry_after, status_document

if TYPE_CHECKING:
    from .host import Host

JSON = ("Content-Type", "application/json; charset=utf-8")
#: What is shown changes, and is nobody else's.
_PRIVATE = ("Cache-Control", "no-store")

_UNAUTHORIZED = Reply(401)
_UNREAD = Reply(503, (("Retry-After", "1"),))


class RunsService:
    """Answers requests below `/runs`."""

    def __init__(self, host: Host, callers: Callers) -> None:
        self._host = host
        self._callers = callers

    async def answer(self, request: BaseRequest, parts: Sequence[str]) -> Reply:
        """The reply to a request for `/runs/` and these segments. Never raises for what they hold."""
        if len(parts) not in (1, 2) or (len(parts) == 2 and parts[1].lower() != "result"):
            return Reply(404)
        allowed = ("GET", "HEAD") if len(parts) == 2 else ("GET", "HEAD", "DELETE")
        if request.method not in allowed:
            return Reply(405, (("Allow", ", ".join(allowed)),))
        try:
            run = await self._found(request, parts[0].lower())
            if run is None:
                return _UNAUTHORIZED
            if request.method == "DELETE":
                return await self._cancel(request, run)
            return await (self._result(request, run) if len(parts) == 2 else self._status(request, run))
        except NotFound as error:
            return _json(404, {"error": str(error)})
        except StoreError:
            return _UNREAD

    async def _found(self, request: BaseRequest, id: str) -> RunRecord | None:
        """The run, where the caller may know of it. Raises `NotFound`, for those who may know that."""
        signature = request.query.get("sig")
        if signature is not None and await self._callers.signing.opens(id, signature):
            return await self._get(id)
        if is_foreign(request.headers):
            return None
        key = request.headers.get("x-functions-key") or request.query.get("code")
        if not key and not self._callers.trusts(request.headers, None, ""):
            return None
        try:
            run = await self._get(id)
        except NotFound:
            if self._callers.trusts(request.headers, key, ""):
                raise
            return None
        return run if self._callers.trusts(request.headers, key, run.function) else None

    async def _get(self, id: str) -> RunRecord:
        run = await self._callers.find(id)
        if run.id != id:
            raise NotFound(f"There is no run '{id}'. Give the whole id.")
        return run

    async def _status(self, request: BaseRequest, run: RunRecord, status: int = 200) -> Reply:
        path = await self._callers.signing.status_path(run.id)
        document = status_document(run, f"{request.scheme}://{request.host}{path}")
        return _json(status, document, *self._when(run))

    async def _result(self, request: BaseRequest, run: RunRecord) -> Reply:
        if run.state is RunState.RUNNING:
            return await self._status(request, run, 202)
        if run.state is not RunState.SUCCEEDED:
            return _json(
                409, {"error": f"The run has no result: it is {run.state.value}.", "state": run.state}
            )
        reply = await result_reply(run, self._host.storage.local.history)
        taken = {name.lower() for name, _ in reply.headers}
        private = () if "cache-control" in taken else (_PRIVATE,)
        return Reply(reply.status, (*reply.headers, *private), reply.body)

    async def _cancel(self, request: BaseRequest, run: RunRecord) -> Reply:
        if run.state is not RunState.RUNNING:
            return _json(409, {"error": f"The run has ended: it is {run.state.value}.", "state": run.state})
        if not self._host.cancel_run(run.id, "Its caller cancelled it."):
            return _json(409, {"error": "The run is in another host's hands, or just ending."})
        who = f"runs:{request.remote or 'unknown'}"
        await self._host.storage.local.audit.add(who, "runs.cancel", run.id, {"function": run.function})
        return await self._status(request, run, 202)

    def _when(self, run: RunRecord) -> Headers:
        """When to ask again, if that is of use."""
        if run.state is not RunState.RUNNING:
            return ()
        return (("Retry-After", str(retry_after(run, self._host.resources.clock.now()))),)


def _json(status: int, document: Any, *headers: tuple[str, str]) -> Reply:
    return Reply(status, (JSON, _PRIVATE, *headers), msgspec.json.encode(document))
