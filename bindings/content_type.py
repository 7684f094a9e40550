"""The content type that a name's extension stands for."""

from __future__ import annotations

import mimetypes

UNKNOWN = "application/octet-stream"


def content_type_of(name: str) -> str:
    """The media type by the extension alone; what is not known is plain bytes."""
    kind, encoding = mimetypes.guess_type(name, strict=False)
    return UNKNOWN if kind is None or encoding is not None else kind
