"""What a worker may say: the header of a frame, checked as it is read. See docs/worker-protocol.md.

User code shares the worker's process and can reach its stream, so nothing that comes from there is taken on trust.
"""

from __future__ import annotations

from typing import Any, Required, TypedDict

import msgspec


class Indexed(msgspec.Struct, frozen=True):
    """One function that decorators define, as a worker found it."""

    name: str
    #: The folder of its code.
    directory: str
    #: Where its code stands; empty and None where that cannot be told.
    file: str
    line: int | None
    #: The function's name in the code.
    entryPoint: str
    #: What a function.json would hold.
    document: dict[str, Any]


class Failure(TypedDict, total=False):
    """Why something failed."""

    type: Required[str]
    message: Required[str]
    traceback: str


class OutputName(TypedDict):
    """An output binding that was given a value."""

    name: str
    kind: str


class Header(TypedDict, total=False):
    """The header of any frame: a key means the same in all of them. Which ones are there depends on the type."""

    type: Required[str]
    id: int
    error: Failure | None
    # ready
    protocol: int
    pid: int
    version: str
    # indexed, loaded
    functions: list[Indexed]
    function: str
    ok: bool
    asynchronous: bool
    contentOnly: bool
    # result, chunk
    kind: str
    data: dict[str, Any]
    outputs: list[OutputName]
    sizes: list[int]
    wrote: list[str]
    lingers: bool
    end: bool
    # progress
    progress: float
    # credit, running
    bytes: int
    elapsed: float
    # log
    invocation: str | None
    level: str
    logger: str | None
    stream: str | None
    system: bool


#: Raises `ValueError` or `RecursionError` for what is no header.
decode_header = msgspec.json.Decoder(Header).decode
