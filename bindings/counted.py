"""Numbers of things as people read them."""

from __future__ import annotations


def counted(number: int, thing: str, things: str | None = None) -> str:
    """The number with its thing, such as ``1 message`` or ``2 messages``; `things` where that is no mere -s."""
    return f"{number} {thing}" if number == 1 else f"{number} {things or f'{thing}s'}"
