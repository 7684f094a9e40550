"""What a run gave, for people who asked for it by hand."""

from __future__ import annotations

from ..triggers.base import Outcome


async def result_text(outcome: Outcome) -> str | bytes | None:
    """The result as text where it is text, else as bytes; None when there is none."""
    if outcome.kind == "none":
        return None
    body = outcome.body
    content = body if isinstance(body, bytes) else b"".join([chunk async for chunk in body])
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content
