"""Whether functions can run now, and what HTTP callers are told while they cannot."""

from __future__ import annotations

import asyncio

from .http_response import TEXT, Headers, Reply

#: For pages of ours: they show the app as it is now.
HTML: Headers = (("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store"))

NOT_RUNNING = Reply(503, (TEXT,), b"Function host is not running.")


class Gate:
    """Keeps requests from functions: they wait while the host starts, and are refused while the app is offline."""

    def __init__(self, timeout: float) -> None:
        """A request waits for at most `timeout` seconds."""
        self._timeout = timeout
        self.is_open = False
        self._refusal: Reply | None = None
        #: Set once it is known whether functions can run.
        self._settled = asyncio.Event()

    def set_ready(self, ready: bool) -> None:
        """Say whether functions can run; until then requests wait."""
        self.is_open, self._refusal = ready, None
        if ready:
            self._settled.set()
        else:
            self._settled.clear()

    def set_offline(self, page: bytes) -> None:
        """Have requests answered with 503 and this HTML, until `set_ready`."""
        self.is_open, self._refusal = False, Reply(503, HTML, page)
        self._settled.set()

    async def refusal(self) -> Reply | None:
        """Wait until functions can run; the answer where they cannot."""
        try:
            await asyncio.wait_for(self._settled.wait(), self._timeout)
        except TimeoutError:
            return NOT_RUNNING
        return self._refusal
