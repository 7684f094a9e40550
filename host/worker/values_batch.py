"""Several messages as one argument: a list with one value for each, in the order in which they were received."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
        built: list[Any] = []
        for one, body in zip(_headers(header, len(contents)), contents, strict=True):
            try:
                built.append(build(one, body))
            except BindError as error:
                which = f"Message {len(built) + 1} of {len(contents)} ({one['metadata'].get('id')})"
                raise BindError(f"{which}: {error}") from error
        return built

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


def _headers(header: Mapping[str, Any], count: int) -> Iterator[dict[str, Any]]:
    """The header as each message would have it for itself."""
    arrays = {
        name.removesuffix(_ARRAY): values
        for name, values in header["metadata"].items()
        if name.endswith(_ARRAY)
    }
    for place in range(count):
        yield {**header, "metadata": {name: values[place] for name, values in arrays.items()}}
