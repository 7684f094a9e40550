"""What can go wrong around user code, told for people, and the part of a traceback that is the user's."""

from __future__ import annotations

import importlib
import os
import traceback
from types import TracebackType


class LoadError(Exception):
    """A function cannot be loaded; the message says why, and what to do."""

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message)
        #: The user's part of the traceback; empty where none helps.
        self.traceback = traceback


class BindError(Exception):
    """A value cannot be handed to the function, or taken from it."""


class RequestError(BindError):
    """What a client sent is not what the function asks for; the message is for the client."""


def describe(error: BaseException) -> str:
    """Type and message in one line, also for an error that cannot be turned into text."""
    return traceback.format_exception_only(error)[-1].strip()


def user_traceback(error: BaseException) -> str:
    """The traceback of `error`, from the first frame that is neither the worker's nor an import's."""
    frame = error.__traceback__
    while frame is not None and _is_machinery(frame):
        frame = frame.tb_next
    return "".join(traceback.format_exception(type(error), error, frame))


def error_info(error: BaseException) -> dict[str, str]:
    """An exception as the protocol tells it; never raises, whatever the exception's own methods do."""
    if isinstance(error, (LoadError, BindError)):
        return {
            "type": type(error).__name__,
            "message": str(error),
            "traceback": getattr(error, "traceback", ""),
        }
    name = type(error).__qualname__
    if type(error).__module__ not in ("builtins", "__main__"):
        name = f"{type(error).__module__}.{name}"
    try:
        message = str(error)
    except BaseException:
        message = "(its message could not be made)"
    try:
        text = user_traceback(error)
    except BaseException:
        text = f"{name}: {message}"
    return {"type": name, "message": message, "traceback": text.encode("utf-8", "replace").decode()}


def _is_machinery(frame: TracebackType) -> bool:
    file = frame.tb_frame.f_code.co_filename
    own = os.path.dirname(__file__)
    return file.startswith("<frozen ") or file == importlib.__file__ or os.path.dirname(file) == own
