"""An outcome as an HTTP response: the rules of functions-semantics 8.7, without a socket in sight.

One deviation on purpose: Azure parses a plain text that looks like JSON and writes it back indented. Here text
is sent exactly as the function returned it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any
from urllib.parse import quote

import msgspec

from ..bindings.errors import BindingError
from .base import Outcome, Status
from .descriptor import FunctionDescriptor

TEXT = ("Content-Type", "text/plain; charset=utf-8")
JSON = ("Content-Type", "application/json")
BINARY = ("Content-Type", "application/octet-stream")

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
#: What says where a message ends and what becomes of the connection: the host's business alone.
_FRAMING = frozenset(
    {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "trailer"}
)

Headers = tuple[tuple[str, str], ...]


class ResponseError(BindingError):
    """What the function returned cannot be sent as a response."""


class Reply(msgspec.Struct, frozen=True):
    """A response, checked: nothing in it can break the protocol."""

    status: int
    headers: Headers = ()
    body: bytes | AsyncIterable[bytes] = b""
    #: Whether the connection ends with it.
    close: bool = False


#: All that a caller is told of a failure.
FAILED = Reply(500)
INTERRUPTED = Reply(503, (("Retry-After", "1"),))
LOCK_UNAVAILABLE = Reply(
    503,
    (TEXT, ("Retry-After", "5")),
    b"The lock of this function cannot be asked for at present. Try again later.",
)
EMPTY = Reply(204)


def must_return(function: FunctionDescriptor) -> bool:
    """Whether returning nothing is an error, since ``$return`` is the response."""
    return any(output.type == "http" and output.name == "$return" for output in function.outputs)


def render(outcome: Outcome, *, must_return: bool = False) -> Reply:
    """The response for an outcome; `must_return` makes a missing value an error (``$return`` is ``http``).

    Raises `ResponseError` when what the function returned is no response.
    """
    if outcome.status is Status.SUCCEEDED:
        make = _BY_KIND.get(outcome.kind)
        if make is None:
            raise ResponseError(f"The worker sent a result of an unknown kind, '{outcome.kind}'.")
        if must_return and outcome.kind == "none":
            raise ResponseError("The function returned None, but its $return binding is the HTTP response.")
        try:
            return make(outcome)
        except (ValueError, RecursionError) as error:
            # Text that is no text, numbers without end, values within values: user code can make all of it.
            raise ResponseError(f"The function's result is no response: {error}.") from None
    if outcome.error is not None and outcome.error.is_callers:
        return Reply(400, (TEXT,), outcome.error.message.encode("utf-8", "replace"))
    if outcome.error is not None and outcome.error.type == "LockUnavailable":
        return LOCK_UNAVAILABLE
    return INTERRUPTED if outcome.status is Status.INTERRUPTED else FAILED


def _text(outcome: Outcome) -> Reply:
    return Reply(200, (TEXT,), outcome.body)


def _bytes(outcome: Outcome) -> Reply:
    return Reply(200, (BINARY,), outcome.body)


def _http(outcome: Outcome) -> Reply:
    header = outcome.header
    pairs = header.get("headers") or ()
    if not isinstance(pairs, list | tuple):
        raise ResponseError("The response's headers must be a list of pairs.")
    if "cookies" in header:
        pairs = [*pairs, *_set_cookies(header["cookies"])]
    return Reply(_status(header.get("status", 200)), checked_headers(pairs), outcome.body)


def _json(outcome: Outcome) -> Reply:
    """An object with a ``body`` is a response object; any other value is the body itself."""
    body = outcome.body
    assert isinstance(body, bytes), "only bytes, http and stream results are streamed"
    if body[:1] == b"{":
        members = _members(body)
        if "body" in members:
            return _response_object(members)
    return Reply(200, (JSON,), body)


def _members(body: bytes) -> dict[str, msgspec.Raw]:
    """The members of a JSON object by their names in lower case, their values left unread."""
    try:
        members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError) as error:
        raise ResponseError(f"The function's result is not JSON: {error}.") from None
    return {name.lower(): value for name, value in members.items()}


def _response_object(members: dict[str, msgspec.Raw]) -> Reply:
    status = _decoded(members, "statuscode", _decoded(members, "status", 200))
    pairs = _header_pairs(_decoded(members, "headers", None))
    pairs += _set_cookies(_decoded(members, "cookies", None))
    body = _object_body(bytes(members["body"]))
    if body and not any(name.lower() == "content-type" for name, _ in pairs):
        pairs.append(TEXT)
    return Reply(_status(status), checked_headers(pairs), body)


def _decoded(members: dict[str, msgspec.Raw], name: str, default: Any) -> Any:
    raw = members.get(name)
    return default if raw is None else msgspec.json.decode(raw)


def _object_body(raw: bytes) -> bytes:
    """Text verbatim, null as nothing, everything else as compact JSON."""
    value = raw.strip()
    if value == b"null":
        return b""
    if value.startswith(b'"'):
        return msgspec.json.decode(value, type=str).encode()
    return msgspec.json.format(value, indent=-1)


def _header_pairs(headers: Any) -> list[tuple[str, str]]:
    """The ``headers`` of a response object; a list gives a header several times, null leaves it out."""
    if headers is None:
        return []
    if not isinstance(headers, dict):
        raise ResponseError("The 'headers' of the response must be an object of names and values.")
    pairs = []
    for name, value in headers.items():
        if value is None and name.lower() == "content-type":
            raise ResponseError("The response's content-type is null.")
        values = value if isinstance(value, list) else [value]
        pairs += [(name, _header_text(name, item)) for item in values if item is not None]
    return pairs


def _header_text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise ResponseError(f"The response's header '{name}' must be a string or a number.")
    return str(value)


def checked_headers(pairs: Iterable[Iterable[Any]]) -> Headers:
    """Headers that are safe to send; raises `ResponseError` for those that would break the protocol.

    Headers that frame the message are left out: the host sets its own.
    """
    checked = []
    for pair in pairs:
        try:
            name, value = pair
        except (TypeError, ValueError):
            raise ResponseError("The response's headers must be pairs of a name and a value.") from None
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise ResponseError(f"The response has a header with the invalid name {name!r}.")
        if not isinstance(value, str) or not is_header_value(value):
            raise ResponseError(
                f"The value of the response's header '{name}' must be printable ASCII without line breaks."
            )
        if name.lower() not in _FRAMING:
            checked.append((name, value.strip()))
    return tuple(checked)


def is_header_value(text: str) -> bool:
    """Whether a text can be the value of a header."""
    return _VALUE.fullmatch(text) is not None


def _status(value: Any) -> int:
    """A status code from a number or numeric text."""
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value <= 999:
        raise ResponseError(f"The response's status must be a number from 200 to 999, not {value!r}.")
    return value


def _set_cookies(cookies: Any) -> list[tuple[str, str]]:
    """The `cookies` of a response, each in a header of its own."""
    if not isinstance(cookies, list | None):
        raise ResponseError("The 'cookies' of the response must be a list.")
    return [("Set-Cookie", _cookie(cookie)) for cookie in cookies or ()]


def _cookie(cookie: Any) -> str:
    """A ``Set-Cookie`` value as ASP.NET writes it: the cookie's value percent-encoded, attributes in small letters."""
    if not isinstance(cookie, dict) or not cookie.get("name"):
        raise ResponseError("Each of the response's 'cookies' must be an object with a name and a value.")
    given = {name.lower(): value for name, value in cookie.items() if value is not None}
    name = given["name"]
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise ResponseError(f"The response has a cookie with the invalid name {name!r}.")
    text = f"{name}={quote(str(given.get('value', '')), safe='', errors='replace')}"
    for key, attribute in _COOKIE_ATTRIBUTES.items():
        value = given.get(key, False)
        if value is True and key in ("secure", "httponly"):
            text += f"; {attribute}"
        elif not isinstance(value, bool) and (value != "" or key in ("domain", "path")):
            text += f"; {attribute}={_same_site(name, value) if key == 'samesite' else value}"
    return text


def _same_site(cookie: str, value: Any) -> str:
    text = str(value).lower()
    if text not in ("lax", "strict", "none"):
        raise ResponseError(
            f"The cookie '{cookie}' has the sameSite {value!r}; it may be Lax, Strict or None."
        )
    return text


#: By the names that cookies of a response object have in small letters, in the order in which they are written.
_COOKIE_ATTRIBUTES = {
    "expires": "expires",
    "maxage": "max-age",
    "domain": "domain",
    "path": "path",
    "secure": "secure",
    "samesite": "samesite",
    "httponly": "httponly",
}

_BY_KIND: dict[str, Callable[[Outcome], Reply]] = {
    "none": lambda outcome: EMPTY,
    "text": _text,
    "bytes": _bytes,
    "json": _json,
    "http": _http,
    "stream": _http,
}
