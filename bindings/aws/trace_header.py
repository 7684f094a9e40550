"""Trace context in the two spellings that a message may carry: W3C's traceparent and AWS's trace header."""

from __future__ import annotations

import re

_PARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{8})([0-9a-f]{24})-([0-9a-f]{16})-([0-9a-f]{2})")
_ROOT = re.compile(r"1-([0-9a-f]{8})-([0-9a-f]{24})")
_SPAN = re.compile(r"[0-9a-f]{16}")


def to_aws(traceparent: str) -> str | None:
    """The header for X-Ray, such as ``Root=1-…;Parent=…;Sampled=1``; None for what is no traceparent."""
    found = _PARENT.fullmatch(traceparent)
    if not found:
        return None
    begin, rest, span, flags = found.groups()
    return f"Root=1-{begin}-{rest};Parent={span};Sampled={int(flags, 16) & 1}"


def from_aws(header: str) -> str | None:
    """The traceparent; None for a header that names no parent."""
    parts = dict(part.strip().partition("=")[::2] for part in header.split(";"))
    root, parent = _ROOT.fullmatch(parts.get("Root", "")), parts.get("Parent", "")
    if not root or not _SPAN.fullmatch(parent):
        return None
    return f"00-{root[1]}{root[2]}-{parent}-0{1 if parts.get('Sampled') == '1' else 0}"
