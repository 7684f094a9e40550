"""Requests that cannot be read, and so reach no function: the status that says why, and a line in the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from aiohttp.http_exceptions import LineTooLong

log = logging.getLogger(__name__)

#: Bytes of a request's URL, as Azure's host takes them.
LONGEST_URL = 8190
#: Bytes of one header; tokens of sign-in services are long.
LONGEST_HEADER = 32 * 1024

#: Seconds between two lines: whoever sends many such requests shall not fill the log.
PAUSE = 1.0


class Refusals:
    """Tells of the requests to one server that could not be read, and counts those that it does not tell of."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._pause_ends = float("-inf")
        self._untold = 0

    def status(self, error: BaseException | None) -> int:
        """The status for a request that the server could not read for this reason."""
        status, reason = _judged(error)
        self.tell(status, reason)
        return status

    def tell(self, status: int, reason: str) -> None:
        """Tell that a request was refused with this status, unless another was told a moment ago."""
        now = self._now()
        if now < self._pause_ends:
            self._untold += 1
            return
        more = f" So were {self._untold} more before it." if self._untold else ""
        log.warning("A request was refused with %d: %s.%s", status, reason, more)
        self._pause_ends, self._untold = now + PAUSE, 0


def _judged(error: BaseException | None) -> tuple[int, str]:
    if isinstance(error, LineTooLong):
        limit = error.args[1]
        if limit == LONGEST_URL:
            return 414, f"its URL is over {LONGEST_URL:,} bytes"
        return 431, f"one of its headers is over {LONGEST_HEADER:,} bytes"
    text = str(getattr(error, "message", ""))
    if "Too many headers" in text:
        return 431, "it has too many headers"
    return 400, f"it is not HTTP as it should be ({_first_line(text)})"


def _first_line(text: str) -> str:
    """What the parser has to say, without the bytes that it shows below."""
    line = next(iter(text.strip().splitlines()), "no reason given").rstrip(":. ")
    return "".join(letter if letter.isprintable() else "?" for letter in line[:200])
