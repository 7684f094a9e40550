"""moto's objects, with conditional writes that are one step, as on S3.

moto looks at the condition first and writes then, and another request may come in between: two hosts would hold
one lease.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from moto.s3.responses import S3Response

#: Requests that change an object on a condition.
_GUARDED = ("put_object", "delete_object")

_MARK = "mended_by_funchost"


def mend_objects() -> None:
    """Put the wraps in place, for this process and once for all."""
    if hasattr(S3Response, _MARK):
        return
    setattr(S3Response, _MARK, True)
    lock = threading.RLock()
    for name in _GUARDED:
        setattr(S3Response, name, _guarded(getattr(S3Response, name), lock))


def _guarded(method: Callable[..., Any], lock: threading.RLock) -> Callable[..., Any]:
    @functools.wraps(method)
    def guarded(*arguments: Any, **more: Any) -> Any:
        with lock:
            return method(*arguments, **more)

    return guarded
