"""A run as its caller sees it: how it stands, how far it is, and what came of it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import msgspec

from ...bindings.errors import NotFound
from ...bindings.history import HistoryStore, RunRecord, RunState
from ...triggers.base import Outcome, Status
from ...triggers.http_response import Reply, ResponseError, render
from ..history.masking import MASK

#: Bytes of a result that stand in the status itself; a larger one is asked for by itself.
INLINE_RESULT = 64 * 1024

#: What is kept of a result where nothing is.
_NOTHING_KEPT = ("none", "stream")


def status_document(run: RunRecord, url: str) -> dict[str, Any]:
    """How a run stands. `url` is where its status is asked for; it ends as `Signing.status_path` gives it."""
    document: dict[str, Any] = {
        "id": run.id,
        "function": run.function,
        "state": run.state.value,
        "progress": run.progress,
        "customStatus": run.status,
        "queued": _moment(run.queued),
        "started": _moment(run.started),
        "ended": _moment(run.ended),
        "attempts": run.attempts,
        "statusUrl": url,
    }
    if run.state is RunState.SUCCEEDED:
        document["resultUrl"] = _result_url(url)
        document |= _result(run)
    elif run.error_message is not None:
        document["error"] = {"type": run.error_type, "message": run.error_message}
    return document


def retry_after(run: RunRecord, now: datetime) -> int:
    """Seconds until it is worth asking again: the longer a run takes, the less often."""
    return min(10, max(1, int((now - run.started).total_seconds() / 10)))


async def result_reply(run: RunRecord, history: HistoryStore) -> Reply:
    """What an HTTP function answered, or what any other returned. Raises `NotFound` where that is not kept."""
    if run.output.kind == "stream":
        raise NotFound("The result was sent as it was made, and is not kept.")
    body = await history.content(run, "output") if run.output.kind != "none" else b""
    try:
        return _without_masks(render(_outcome(run, body)))
    except ResponseError:
        raise NotFound("What the function returned is no response.") from None


def _result_url(url: str) -> str:
    place, _, query = url.partition("?")
    return f"{place}/result?{query}"


def _outcome(run: RunRecord, body: bytes) -> Outcome:
    """The run's outcome, as far as a response is made of it."""
    kind = "http" if run.answer else run.output.kind
    if kind == "json" and run.trigger != "httpTrigger":
        # Only an HTTP function can mean a response by an object that has a body.
        header = {"headers": [["Content-Type", "application/json"]]}
        return _succeeded(run, "http", header, body)
    return _succeeded(run, kind, run.answer, body)


def _succeeded(run: RunRecord, kind: str, header: dict[str, Any], body: bytes) -> Outcome:
    given = {key: value for key, value in header.items() if value is not None}
    return Outcome(
        status=Status.SUCCEEDED,
        function=run.function,
        invocation_id=run.id,
        started=run.started,
        ended=run.ended or run.started,
        kind=kind,
        header=given,
        body=body,
    )


def _without_masks(reply: Reply) -> Reply:
    """The reply without headers whose values are not kept, such as cookies."""
    return Reply(reply.status, tuple(pair for pair in reply.headers if pair[1] != MASK), reply.body)


def _result(run: RunRecord) -> dict[str, Any]:
    """The result, where it is small enough to stand in the status."""
    if run.output.kind == "stream" or not run.output.is_whole or run.output.size > INLINE_RESULT:
        return {}
    try:
        reply = _without_masks(render(_outcome(run, run.output.data)))
    except ResponseError:
        return {}
    assert isinstance(reply.body, bytes)
    headers = {name.lower(): value for name, value in reply.headers}
    content = _content(reply.body, headers.get("content-type", ""))
    if run.trigger != "httpTrigger":
        return (
            {"result": content.get("body")} if "body" in content else {"resultBase64": content["bodyBase64"]}
        )
    return {"result": {"status": reply.status, "headers": reply.headers, **content}}


def _content(body: bytes, content_type: str) -> dict[str, Any]:
    """A body: JSON as such, text as text, anything else in base64."""
    kind = content_type.partition(";")[0].strip().lower()
    if not body:
        return {"body": None}
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return {"body": msgspec.Raw(msgspec.json.format(body, indent=-1))}
        except (msgspec.DecodeError, RecursionError, ValueError):
            pass  # it only says that it is JSON
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"bodyBase64": base64.b64encode(body).decode()}


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
