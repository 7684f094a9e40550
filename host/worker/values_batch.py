"""Several messages or blobs as one argument: a list with one value for each, in the order in which they came."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .errors import BindError
from .protocol import split
from .values_azure import Build
from .values_json import dump, is_json_type
from .values_output import NOTHING, Result, check_awaited, utf8

#: The key under which a function reports which messages of a batch failed, as Lambda has it.
FAILURES = "batchItemFailures"

#: How the names of what is known of each message end in a batch.
_ARRAY = "Array"


def in_batch(build: Build) -> Build:
    """What makes the list, out of what makes the value of one message."""

    def build_all(header: Mapping[str, Any], content: bytes) -> list[Any]:
        contents = split(content, header["data"]["sizes"])
        headers = _headers(header, len(contents))
        messages = [
            (one, one["metadata"].get("id"), body) for one, body in zip(headers, contents, strict=True)
        ]
        return _each(build, "Message", messages)

    return build_all


def of_blobs(build: Build) -> Build:
    """What makes the list, out of what makes the value of one blob.

    The content is a line of JSON with name and length of each blob, then their contents. What makes the value of one
    finds its name and length as the ``data`` of the header.
    """

    def build_all(header: Mapping[str, Any], content: bytes) -> list[Any]:
        start = content.index(b"\n") + 1
        blobs = json.loads(content[:start])
        _, *contents = split(content, [start, *(one["length"] for one in blobs)])
        described = [
            ({**header, "data": one}, one["name"], body) for one, body in zip(blobs, contents, strict=True)
        ]
        return _each(build, "Blob", described)

    return build_all


def report(returned: Any) -> Result:
    """What a function that gets batches and has no `$return` says of them: which failed, or nothing.

    Raises `BindError` for a report that is no JSON, and for a coroutine, which stands for a call that was never made.
    """
    check_awaited(returned, "The result")
    where = "The report of failed messages"
    if isinstance(returned, str):
        # JSON as text is a report too: to overlook it would lose the messages that it names.
        said = returned.lstrip().startswith("{") and f'"{FAILURES}"' in returned
        return Result("json", None, utf8(returned, where)) if said else NOTHING
    if isinstance(returned, Mapping):
        return (
            Result("json", None, dump({FAILURES: returned[FAILURES]}, where))
            if FAILURES in returned
            else NOTHING
        )
    said = is_json_type(type(returned)) and hasattr(returned, FAILURES)
    return Result("json", None, dump(returned, where)) if said else NOTHING


def _each(build: Build, what: str, values: Sequence[tuple[Mapping[str, Any], Any, bytes]]) -> list[Any]:
    """The list, from the header of each value, its name for errors, and its content."""
    built: list[Any] = []
    for header, name, content in values:
        try:
            built.append(build(header, content))
        except BindError as error:
            raise BindError(f"{what} {len(built) + 1} of {len(values)} ({name}): {error}") from error
    return built


def _headers(header: Mapping[str, Any], count: int) -> Iterator[dict[str, Any]]:
    """The header as each message would have it for itself."""
    arrays = {
        name.removesuffix(_ARRAY): values
        for name, values in header["metadata"].items()
        if name.endswith(_ARRAY)
    }
    for place in range(count):
        yield {**header, "metadata": {name: values[place] for name, values in arrays.items()}}
