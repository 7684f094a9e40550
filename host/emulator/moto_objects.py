"""moto's objects, made safe for many callers at once.

moto looks at the condition of a write first and writes then, and another request may come in between: two hosts
would hold one lease. And it closes what is overwritten or deleted, while others still read it. On S3 each request
is one step, and with this one after the other is.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from moto.s3.responses import S3Response

#: What reads or changes objects.
_GUARDED = (
    "get_object",
    "put_object",
    "copy_object",
    "delete_object",
    "list_objects",
    "list_objects_v2",
    "_key_response_post",  # completes uploads in parts
)

#: Where the lock is kept, on moto's own class: what is mended has one.
_LOCK = "funchost_lock"


def mend_objects() -> None:
    """Put the wraps in place, for this process and once for all."""
    if hasattr(S3Response, _LOCK):
        return
    lock = threading.RLock()
    setattr(S3Response, _LOCK, lock)
    for name in _GUARDED:
        setattr(S3Response, name, _guarded(getattr(S3Response, name), lock))


def objects_lock() -> AbstractContextManager[object]:
    """Held by each request while it reads or changes objects, which `mend_objects` sees to."""
    lock: AbstractContextManager[object] = getattr(S3Response, _LOCK)
    return lock


def _guarded(method: Callable[..., Any], lock: threading.RLock) -> Callable[..., Any]:
    @functools.wraps(method)
    def guarded(*arguments: Any, **more: Any) -> Any:
        with lock:
            return method(*arguments, **more)

    return guarded
