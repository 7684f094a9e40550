"""What shows that somebody was told of a run, and that a call back comes from this host."""

from __future__ import annotations

import base64
import hashlib
import hmac

from ..keys import Keys

#: The system keys that are used, made when they are first needed.
RUNS_KEY, CALLBACKS_KEY = "runs", "callbacks"


class Signing:
    """Signs with the system keys of the host, which all hosts of the app share. Raises `StoreError` without them."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def status_path(self, run: str) -> str:
        """The path at which whoever is told it may ask for the run, and cancel it."""
        return f"/runs/{run}?sig={await self._of_run(run)}"

    async def opens(self, run: str, signature: str) -> bool:
        """Whether a signature is that of the run; how long it takes to tell says nothing of the right one."""
        wanted = await self._of_run(run)
        return hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "replace"))

    async def of_callback(self, timestamp: str, body: bytes) -> str:
        """The signature of what is sent at a moment (whole seconds since 1970, as text)."""
        key = await self._keys.secret(CALLBACKS_KEY)
        return callback_signature(key, timestamp, body)

    async def _of_run(self, run: str) -> str:
        key = await self._keys.secret(RUNS_KEY)
        digest = hmac.digest(key.encode(), f"run:{run}".encode("utf-8", "replace"), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def callback_signature(key: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 over ``timestamp.body``, as the header says it."""
    return "sha256=" + hmac.new(key.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
