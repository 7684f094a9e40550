"""What a host has for callers who do not wait, put together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from ...bindings.clock import Clock
from ...bindings.history import RunRecord
from ..configuration import Configuration
from ..history.recorder import Recorder
from ..keys import Keys
from ..storage import EmbeddedStorage
from .addresses import Destinations
from .callback_client import CallbackClient
from .callbacks import Callbacks
from .signing import Signing
from .starts import AsyncStarts

#: Seconds that a stop waits for calls to be given back.
_STOP_LIMIT = 5.0


class Callers:
    """Begins runs for them, finds these again, and calls back, between `start` and `stop`."""

    def __init__(
        self,
        *,
        configuration: Configuration,
        storage: EmbeddedStorage,
        recorder: Recorder,
        keys: Keys,
        clock: Clock,
        is_developers: Callable[[Mapping[str, str]], bool],
        url: Callable[[], str],
        report: Callable[[str], None],
    ) -> None:
        """`is_developers` tells by a request's headers whether the host's developer asks; `url` is the host's."""
        self._storage = storage
        self._recorder = recorder
        self._keys = keys
        self._is_developers = is_developers
        self.signing = Signing(keys)
        self.starts = AsyncStarts(
            recorder=recorder, signing=self.signing, queues=storage.queues, clock=clock, trusts=self.trusts
        )
        app = configuration.settings.app
        #: Whether anybody may start runs without waiting, and ask for them.
        self.is_on = (app.get("FUNCHOST_RESPOND_ASYNC") or "").lower() != "false"
        is_own = configuration.is_local and not configuration.asks_for_keys
        self._callbacks = Callbacks(
            queues=storage.queues,
            find=self.find,
            signing=self.signing,
            client=CallbackClient(Destinations(app.get("FUNCHOST_CALLBACK_HOSTS"), everywhere=is_own)),
            url=url,
            clock=clock,
            report=report,
        )
        self._calling: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to call back whoever waits for that."""
        self._storage.store.subscribe("runs", self._callbacks.look_again)
        self._calling = asyncio.create_task(self._callbacks.run(), name="call back")

    async def stop(self) -> None:
        """Call nobody any more; what was not done is done by another host, or the next time."""
        if self._calling:
            self._calling.cancel()
            await asyncio.wait({self._calling}, timeout=_STOP_LIMIT)

    def trusts(self, headers: Mapping[str, str], key: str | None, function: str) -> bool:
        """Whether a caller may see, end and follow the runs of a function without having been told of them.

        Raises `StoreError` while it is not known which keys there are.
        """
        return self._is_developers(headers) or self._keys.authorize(key, "function", function)

    async def find(self, run: str) -> RunRecord:
        """A run, as it stands now. Raises `NotFound`, `StoreError`."""
        return self._recorder.now(run) or await self._storage.history.get(run)
