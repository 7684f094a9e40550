"""The plain value of an HTTP trigger: a body that does not fit it is the client's mistake, and told to the client."""

from __future__ import annotations

import json
from typing import Any, get_origin

from .errors import BindError, RequestError
from .values_json import is_json_type
from .values_plain import Decode, decoder

_BODY = "The body"

#: The most that a client is told, in characters.
_LONGEST = 2000


def body_decoder(annotation: Any, where: str, *, optional: bool) -> Decode | None:
    """As `decoder`, for the body of a request. What JSON is read into raises `RequestError` where it does not fit.

    Not so numbers and booleans: Azure refuses functions that ask for them, so their errors are the functions' own.
    """
    kind = get_origin(annotation) or annotation
    decode = decoder(annotation, where, optional=optional)
    if decode is None or not (isinstance(kind, type) and is_json_type(kind)):
        return decode
    decode_body = decoder(annotation, _BODY, optional=optional)
    assert decode_body is not None, "it was made before"

    def decode_request(content: bytes) -> Any:
        try:
            return decode_body(content)
        except BindError as error:
            raise RequestError(_one_line(_unreadable(content) or _place(str(error)))) from None

    return decode_request


def _unreadable(content: bytes) -> str | None:
    """Why the content is no JSON at all; models would tell that in words of their own."""
    try:
        json.loads(content)
    except (ValueError, RecursionError) as error:
        return f"The body is not JSON: {error}." if content.strip() else "The body is empty; it must be JSON."
    return None


def _place(message: str) -> str:
    """What is wrong, by its place in the body: ``The body.id`` is ``id``."""
    return message.removeprefix(f"{_BODY}: ").removeprefix(f"{_BODY}.")


def _one_line(text: str) -> str:
    """Keys are the client's, and the log is made of lines."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:_LONGEST])
