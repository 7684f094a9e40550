"""A value that streams to a function, and why it broke off: the function is told only that it did."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator

from ...triggers.base import ErrorInfo

#: As a worker calls the error of a function that met the end of a value too soon.
_BROKEN = "StreamBroken"


class Source(AsyncIterable[bytes]):
    """The chunks of one value, from their beginning each time it is iterated."""

    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        self._chunks = chunks
        self._error: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._error = None
        try:
            async for chunk in self._chunks:
                yield chunk
        except Exception as error:
            self._error = error
            raise

    def explained(self, error: ErrorInfo) -> ErrorInfo:
        """The error of an attempt, or the reason for it where it says no more than that the value broke off."""
        if self._error is None or not error.type.endswith(_BROKEN):
            return error
        return ErrorInfo(type(self._error).__name__, str(self._error))
