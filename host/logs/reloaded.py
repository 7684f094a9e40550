"""What a reload brought, in one line."""

from __future__ import annotations

from collections.abc import Mapping

from ...bindings.counted import counted


def reloaded_text(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """How many functions there are, which are new, and whose URL changed.

    Both map the functions in service to their URLs, empty for what HTTP does not call.
    """
    new = [f"{name} {url}".rstrip() for name, url in now.items() if name not in before]
    moved = [f"{name} {url}" for name, url in now.items() if url and before.get(name, url) != url]
    told = [counted(len(now), "function")]
    told += [f"new: {', '.join(new)}"] if new else []
    told += [f"changed: {', '.join(moved)}"] if moved else []
    return f"Reloaded: {', '.join(told)}"
