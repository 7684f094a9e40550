"""Requests whose callers do not wait: what ``Prefer: respond-async`` asks for (RFC 7240), and what is answered."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec
from multidict import CIMultiDictProxy, istr

from ..bindings.errors import BindingError, FunchostError, StoreError
from .base import Deliver, Outcome, TriggerEvent
from .http_response import TEXT, Reply

if TYPE_CHECKING:
    from .http_call import Call
    from .http_endpoint import Endpoint, FrontOptions

#: Ready for lookup, since every request asks for them.
PREFER, CALLBACK_URL = istr("Prefer"), istr("Callback-Url")

#: The longest wait in digits: some years of seconds.
_MOST_DIGITS = 8

#: Seconds until a caller should ask for the first time.
FIRST_LOOK = 1

NO_CALLBACK = Reply(
    403,
    (TEXT,),
    b"Callback-Url is taken only from callers who show a key of the function or the host. "
    b"Send one as x-functions-key.",
)
TOO_MANY = Reply(
    429, (TEXT, ("Retry-After", "5")), b"Too many runs that nobody waits for are in hand. Try again later."
)


#: The run cannot be kept, since the store cannot be used.
UNKEPT = Reply(503, (("Retry-After", "1"),))


class TooManyStarts(FunchostError):
    """Too many runs that nobody waits for are in hand."""


class Wish(NamedTuple):
    """That a caller does not want to wait for the end, or only for some seconds."""

    wait: float = 0.0


class Started(Protocol):
    """A run that goes on whether its caller waits or not."""

    id: str
    outcome: asyncio.Task[Outcome]

    async def status_path(self) -> str:
        """Where the caller may ask for it. From then on it is known for good. Raises `StoreError`."""


class Starts(Protocol):
    """Begins such runs."""

    def trusts(self, headers: Mapping[str, str], key: str | None, function: str) -> bool:
        """Whether a caller with these headers, who shows this key, may have the host call a URL. Raises `StoreError`."""

    async def begin(
        self, function: str, deliver: Deliver, event: TriggerEvent, callback: str | None = None
    ) -> Started:
        """Begin a run; `callback` is called once it has ended. Raises `TooManyStarts`, `StoreError`, and `BindingError`
        for a URL that cannot be called."""


def asked(headers: CIMultiDictProxy[str]) -> Wish | None:
    """What the caller prefers; None where that is to wait. The first of several preferences of one name counts."""
    found: dict[str, str] = {}
    for line in headers.getall(PREFER, ()):
        for preference in line.split(","):
            name, _, value = preference.partition(";")[0].partition("=")
            found.setdefault(name.strip().lower(), value.strip().strip('"'))
    if "respond-async" not in found:
        return None
    return Wish(seconds_of(found.get("wait", "")) or 0.0)


def seconds_of(text: str) -> float | None:
    """Whole seconds; None where the text is none."""
    fits = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    return float(text) if fits else None


async def begin(
    starts: Starts, wish: Wish, call: Call, endpoint: Endpoint, params: dict[str, str], options: FrontOptions
) -> Outcome | Reply:
    """Run the function whether its caller stays or not: what became of it, if it ended in time, or what to answer.

    Raises `BodyError`.
    """
    request, function = call.request, endpoint.route.function
    callback = request.headers.get(CALLBACK_URL)
    try:
        if callback is not None and not starts.trusts(request.headers, call.key, function):
            return NO_CALLBACK
        event = call.event(endpoint, params, await call.whole_body(function, options))
        started = await starts.begin(function, endpoint.deliver, event, callback)
        endpoint.running += 1
        started.outcome.add_done_callback(lambda _: endpoint.left())
        if await ends_within(started, wish.wait):
            return started.outcome.result()
        path = await started.status_path()
        return accepted_reply(started.id, path, f"{request.scheme}://{request.host}")
    except TooManyStarts:
        return TOO_MANY
    except BindingError as error:
        return Reply(400, (TEXT,), str(error).encode())
    except StoreError:
        return UNKEPT


async def ends_within(started: Started, seconds: float) -> bool:
    """Wait for the end of a run, but not longer than this."""
    if seconds > 0:
        await asyncio.wait({started.outcome}, timeout=None if math.isinf(seconds) else seconds)
    return started.outcome.done()


def accepted(run: str, path: str, origin: str) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """Headers and document of the answer 202; `origin` is where the caller reached the host."""
    headers = [("Location", path), ("Retry-After", str(FIRST_LOOK))]
    return headers, {"id": run, "state": "running", "statusUrl": f"{origin}{path}"}


def accepted_reply(run: str, path: str, origin: str) -> Reply:
    """The answer 202 to a caller who prefers not to wait."""
    headers, document = accepted(run, path, origin)
    kind = ("Content-Type", "application/json; charset=utf-8")
    return Reply(
        202, (kind, *headers, ("Preference-Applied", "respond-async")), msgspec.json.encode(document)
    )
