"""What became of a run, for people and tools that asked for it by hand."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from ...triggers.base import Outcome, Unsent
from ...triggers.descriptor import FunctionDescriptor
from ...triggers.http_response import FAILED, ResponseError, must_return, render


async def outcome_document(outcome: Outcome, function: FunctionDescriptor) -> dict[str, Any]:
    """An outcome of this function as the command line and other tools read it."""
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
    if function.trigger.type == "httpTrigger":
        document["http"] = _answer(outcome, function)
    content = await _result_text(outcome)
    if isinstance(content, str):
        document["result"] = content
    elif content is not None:
        document["resultBase64"] = base64.b64encode(content).decode()
    if outcome.unsent:
        document["outputs"] = [unsent_document(each) for each in outcome.unsent]
    return document


def _answer(outcome: Outcome, function: FunctionDescriptor) -> dict[str, Any]:
    """Status and headers that the function gives a caller; headers are pairs, since one may stand there twice."""
    try:
        reply = render(outcome, must_return=must_return(function))
    except ResponseError:
        reply = FAILED
    return {"status": reply.status, "headers": reply.headers}


async def _result_text(outcome: Outcome) -> str | bytes | None:
    """The result as text where it is text, else as bytes; None when there is none."""
    if outcome.kind == "none":
        return None
    body = outcome.body
    content = body if isinstance(body, bytes) else b"".join([chunk async for chunk in body])
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def unsent_document(output: Unsent) -> dict[str, Any]:
    """What would have been sent: JSON as such, text as text, anything else as `valueBase64`."""
    document: dict[str, Any] = {"name": output.name, "type": output.type}
    try:
        text = output.content.decode()
    except UnicodeDecodeError:
        return {**document, "valueBase64": base64.b64encode(output.content).decode()}
    return {**document, "value": msgspec.json.decode(text) if output.kind == "json" else text}
