"""What a run says of itself while it goes on: how far it is, and a status of its own. The last word counts."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

#: Seconds between two words that are sent; what is said meanwhile is sent at their end, as it is by then.
PAUSE = 0.1

#: Bytes of a status: it is shown, and no place for results.
LARGEST_STATUS = 16 * 1024

#: Stands for a status that is not to be changed.
_AS_IT_IS: Any = object()

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


class Tell(Protocol):
    """How what a run says of itself gets to the host; may be called from any thread."""

    def progress(self, progress: float | None, status: bytes) -> None:
        """Send it: a number from 0 to 1 (None: not said), and JSON (empty: not said)."""

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Have `work` called after that time."""


class Progress:
    """What one run has said of itself, on its way to the host."""

    def __init__(self, tell: Tell | None) -> None:
        """Without `tell` it is checked and goes nowhere."""
        self._tell = tell
        self._lock = threading.Lock()
        self._progress: float | None = None
        self._status = b""
        self._changed = False
        self._waiting = False
        self._sent = -math.inf

    def set(self, progress: Any = _AS_IT_IS, status: Any = _AS_IT_IS) -> None:
        """Change what is said. Raises `TypeError` and `ValueError`, and nothing has changed then."""
        checked = progress if progress is _AS_IT_IS else checked_progress(progress)
        encoded = status if status is _AS_IT_IS else encoded_status(status)
        with self._lock:
            if checked is not _AS_IT_IS:
                self._progress = checked
            if encoded is not _AS_IT_IS:
                self._status = encoded
            self._changed = True
            rest = self._sent + PAUSE - time.monotonic()
            if rest <= 0:
                self._send()
            elif self._tell and not self._waiting:
                self._waiting = True
                self._tell.later(rest, self._send_later)

    def end(self) -> None:
        """Send what was said last; what is said after this goes nowhere."""
        with self._lock:
            self._send()
            self._tell = None

    def _send_later(self) -> None:
        with self._lock:
            self._waiting = False
            self._send()

    def _send(self) -> None:
        if self._changed and self._tell:
            self._changed = False
            self._sent = time.monotonic()
            self._tell.progress(self._progress, self._status)


def checked_progress(value: Any) -> float:
    """The share that is done. Raises `TypeError` for what is no number, `ValueError` for one that is no share."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"Progress is a number from 0 to 1, not a value of type {type(value).__name__}.")
    if not 0 <= value <= 1:
        raise ValueError(
            f"Progress is a number from 0 to 1, not {value!r}. Divide what is done by all there is."
        )
    return float(value)


def encoded_status(value: Any) -> bytes:
    """A status as JSON. Raises `TypeError` and `ValueError` for what JSON cannot hold, or for too much of it."""
    try:
        content = _encode(value).encode("utf-8", "replace")
    except (TypeError, ValueError, RecursionError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"A custom status is what JSON can hold: {error}.") from None
    if len(content) > LARGEST_STATUS:
        raise ValueError(
            f"A custom status of {len(content)} bytes is over the limit of {LARGEST_STATUS} bytes. Put it into a "
            "blob, and its name into the status."
        )
    return content
