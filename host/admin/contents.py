"""Contents in JSON bodies: text as such, bytes as base64."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

import msgspec

from ...bindings.errors import BindingError

Text = Annotated[Any, msgspec.Meta(description="A text; any other JSON value stands for its text.")]
Base64 = Annotated[str | None, msgspec.Meta(description="Bytes, where it is no text.")]


def content_of(value: Any, base64_text: str | None, name: str) -> bytes | None:
    """The content that is given in one of two ways; None where it is not. Raises `BindingError`."""
    if base64_text is not None:
        if value is not None:
            raise BindingError(f"Give either '{name}' or '{name}Base64'.")
        try:
            return base64.b64decode(base64_text, validate=True)
        except (binascii.Error, ValueError):
            raise BindingError(f"'{name}Base64' is no base64.") from None
    if value is None:
        return None
    if not isinstance(value, str):
        return msgspec.json.encode(value)
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise BindingError(f"'{name}' has half a character: that is no text.") from None
