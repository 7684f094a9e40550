"""What a function gives, returned or set on an `Out`, turned into what a `result` frame carries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from types import NoneType, UnionType
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar, Union, get_args, get_origin

from .converters import accepts_output, holds_azure
from .errors import BindError
from .values_json import dump, is_json_type

T = TypeVar("T")

#: Kind (text, bytes or json) and content.
Encoded = tuple[str, bytes]
Encode = Callable[[Any, str], Encoded]


class Result(NamedTuple):
    """What an invocation gave, as the `result` frame says it."""

    kind: str
    data: dict[str, Any] | None = None
    body: bytes = b""
    #: Name, kind and content of each output that was given a value.
    outputs: Sequence[tuple[str, str, bytes]] = ()
    #: The chunks of a body that is still to be made, when `kind` is ``stream``.
    stream: Iterator[bytes] | AsyncIterator[bytes] | None = None
    #: What made it; until that has ended the invocation lingers on, though its result is known.
    maker: asyncio.Task[None] | None = None


NOTHING = Result("none")


class Out(Generic[T]):
    """What a function sets an output on; usable wherever `azure.functions.Out` is."""

    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value: T | None = None

    def set(self, val: T) -> None:
        """Give the output this value; the last one counts, and None means no output."""
        self._value = val

    def get(self) -> T | None:
        """The value that was set."""
        return self._value


#: What an output takes, for people; Azure takes what stands before the semicolon.
_WANTED = {
    "http": "func.HttpResponse or str; here also dict, list, a dataclass, a model, or an iterator of chunks",
    "queue": "str, bytes, func.QueueMessage or a list of them; here also dict, a dataclass or a model, and messages "
    "with a session_id and the like",
    "blob": "str, bytes, bytearray or anything with read(); here also dict, list, a dataclass or a model",
}


def wanted_types(binding_type: str) -> str:
    """What an output of that type can be annotated as."""
    return _WANTED.get(binding_type, "str, bytes or bytearray; here also what JSON can hold")


def takes(binding_type: str, annotation: Any) -> bool:
    """Whether an output of that type can be given values of the annotated type."""
    if holds_azure(annotation):
        return accepts_output(binding_type, annotation)
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        return all(takes(binding_type, member) for member in members)
    kind = get_origin(annotation) or annotation
    if not isinstance(kind, type):
        return False
    if kind in (str, Any, object) or is_json_type(kind):
        return True
    if binding_type == "http":
        return kind in (Iterable, AsyncIterable) or issubclass(kind, (Iterator, AsyncIterator))
    if kind in (bytes, bytearray):
        return True
    if binding_type == "queue":
        return issubclass(kind, Iterable) or looks_like_message(kind)
    if binding_type == "blob":
        return callable(getattr(kind, "read", None))
    return kind in (int, float, bool)


def looks_like_message(kind: Any) -> bool:
    """Whether a class, or a value, has what messages of other queues have, such as those of azure.servicebus."""
    return hasattr(kind, "body") and hasattr(kind, "session_id")


def to_any(value: Any, where: str) -> Encoded:
    """Text, bytes, or JSON for all else that has such a form."""
    encoded = content(value, where)
    if encoded is None and isinstance(value, (int, float)):
        encoded = "json", dump(value, where)
    return encoded or refuse(value, where, "text, bytes, a number, or what JSON can hold")


def content(value: Any, where: str) -> Encoded | None:
    """What every output takes; None for other values."""
    if isinstance(value, str):
        return "text", utf8(value, where)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "bytes", bytes(value)
    if is_json_type(type(value)):
        return "json", dump(value, where)
    return None


def to_blob(value: Any, where: str) -> Encoded:
    """The content of a blob, also from an open file."""
    read = getattr(value, "read", None)
    value = read() if callable(read) else value
    return content(value, where) or refuse(value, where, "text, bytes, a dict or a list, or an open file")


def utf8(text: str, where: str) -> bytes:
    """`text` in UTF-8. Raises `BindError` for half a surrogate pair."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise BindError(f"{where} was given text that is not valid Unicode: {error}.") from None


def refuse(value: Any, where: str, wanted: str) -> NoReturn:
    """Raise the `BindError` for a value that an output does not take."""
    check_awaited(value, where)
    raise BindError(f"{where} takes {wanted}, not a value of type {type(value).__name__}.")


def check_awaited(value: Any, where: str) -> None:
    """See that a value is none that is still to be made. Raises `BindError`."""
    if isinstance(value, Coroutine):
        value.close()
        raise BindError(
            f"{where} was given a coroutine, an async call that nobody awaited. Make the function itself async, "
            "and await the call; a decorator around an async function must be async too."
        )
