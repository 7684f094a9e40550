"""The keys that open functions: where they are kept, and what each of them opens (functions-semantics 8.3)."""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from ..bindings.errors import NotFound, StoreError
from ..bindings.state import StateStore

log = logging.getLogger(__name__)

#: Seconds between two looks at the store for keys that are not known: strangers may show as many as they like.
LOOK_AGAIN = 1.0

SCOPE = "keys"
MASTER = "_master"

#: Seconds that a host's start waits for its keys, and the first and the longest pause until they are asked for again.
START_LIMIT = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0

#: Rings that belong to no function. Each holds keys of one level.
MASTER_RING, HOST_RING, SYSTEM_RING = "master", "host", "system"


@dataclass(frozen=True, slots=True)
class Key:
    """One key. Names and functions are compared without case."""

    #: ``master``, ``host``, ``system``, or ``function:<name>`` for the keys of one function.
    ring: str
    name: str
    value: str

    @property
    def level(self) -> str:
        """The level that it claims."""
        return {MASTER_RING: "admin", SYSTEM_RING: "system"}.get(self.ring, "function")


def function_ring(function: str) -> str:
    """The ring of one function's own keys."""
    return f"function:{function.lower()}"


def new_value() -> str:
    """A key's value: 40 random bytes in URL-safe base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(40)).decode()


class KeysUnread(StoreError):
    """The keys of this host cannot be read at present; try again later."""


class Keys:
    """All keys of a host, in memory and in the store that other hosts share."""

    def __init__(self, state: StateStore) -> None:
        self._state = state
        #: By ring, then by name in lower case.
        self._rings: dict[str, dict[str, Key]] = {}
        #: Whether somebody changed a key since they were read, and whether it was told that this cannot be done.
        self._stale = self._told = False
        self._read_once = False
        self._refreshing: asyncio.Task[None] | None = None
        #: When a key that is not known last made us look again, on the loop's clock.
        self._looked_again = -LOOK_AGAIN
        #: How many changes were made here: what was read meanwhile may not have them yet.
        self._own_changes = 0

    def follow(self) -> None:
        """Have what is changed elsewhere count here too, from now on, as soon as the store tells of it."""
        self._state.watch(SCOPE, self._changed)

    async def begin(self) -> None:
        """Read the keys and follow their changes, whatever the store says.

        Where they cannot be read now that is told, and they are asked for until they can: `authorize` raises until
        then.
        """
        self.follow()
        loading = asyncio.ensure_future(self.load())
        await asyncio.wait([loading], timeout=START_LIMIT)
        if not loading.done() or loading.exception():
            self._refreshing = asyncio.create_task(self._insist(loading), name="read the keys")

    def close(self) -> None:
        """Read nothing any more."""
        if self._refreshing:
            self._refreshing.cancel()

    async def load(self) -> None:
        """Read the keys; makes the master key and the host's default key when they are missing."""
        await self._read()
        await self._ensure(MASTER_RING, MASTER)
        await self._ensure(HOST_RING, "default")

    def authorize(self, presented: str | None, level: str, function: str) -> bool:
        """Whether this key (None: no key) opens a function that asks for this level.

        The level that a key claims must be the one asked for; only the master key opens everything. Raises
        `KeysUnread` where a key is shown and none could be read yet.
        """
        if level == "anonymous":
            return True
        if not presented:
            return False
        self._catch_up()
        if not self._read_once:
            raise KeysUnread  # why is in the log, and no caller's business
        shown = presented.encode("utf-8", "replace")
        claimed = set()
        for ring in (MASTER_RING, HOST_RING, SYSTEM_RING, function_ring(function)):
            for key in self._rings.get(ring, {}).values():
                # All are compared, in constant time each: how long it takes tells nothing of the keys.
                if hmac.compare_digest(shown, key.value.encode()):
                    claimed.add(key.level)
        if not claimed:
            self._look_again()
        return "admin" in claimed or level in claimed

    async def list(self, function: str | None = None) -> Sequence[Key]:
        """All keys, or those of one function (its default key is made when it has none)."""
        if function is None:
            return [key for ring in sorted(self._rings) for key in self.ring(ring)]
        ring = function_ring(function)
        if not self.ring(ring):
            await self._ensure(ring, "default")
        return self.ring(ring)

    def ring(self, ring: str) -> Sequence[Key]:
        """The keys of one ring, by name."""
        return [key for _, key in sorted(self._rings.get(ring, {}).items())]

    def get(self, ring: str, name: str) -> Key | None:
        """The key of this name, or None."""
        return self._rings.get(ring, {}).get(name.lower())

    async def secret(self, name: str) -> str:
        """The value of the system key of this name, which is made when it is first asked for. Raises `StoreError`."""
        if not self._read_once:
            raise KeysUnread
        await self._ensure(SYSTEM_RING, name)
        return self._rings[SYSTEM_RING][name].value

    async def rotate(self, name: str, function: str | None = None) -> str:
        """Give a key a new value, made here, and return it; a key that is not there is made."""
        return (await self.set(name, new_value(), function)).value

    async def set(self, name: str, value: str, function: str | None = None) -> Key:
        """Give a key this value."""
        return await self.put(self._ring_of(name, function), name, value)

    async def delete(self, name: str, function: str | None = None) -> None:
        """Remove a key. Raises `NotFound`, also for the master key: there is always one."""
        ring = self._ring_of(name, function)
        if ring == MASTER_RING or not await self.remove(ring, name):
            raise NotFound(f"There is no key '{name}' that could be removed.")

    async def put(self, ring: str, name: str, value: str) -> Key:
        """Keep a key in a ring."""
        key = Key(ring, name, value)
        await self._state.put(SCOPE, f"{ring}/{name.lower()}", {"name": name, "value": value})
        self._rings.setdefault(ring, {})[name.lower()] = key
        self._own_changes += 1
        return key

    async def remove(self, ring: str, name: str) -> bool:
        """Remove a key from a ring; False when it was not there."""
        if self.get(ring, name) is None:
            return False
        await self._state.put(SCOPE, f"{ring}/{name.lower()}", None)
        self._rings.get(ring, {}).pop(name.lower(), None)
        self._own_changes += 1
        return True

    def _ring_of(self, name: str, function: str | None) -> str:
        """Where a key of this name belongs: extensions and the host have system keys, all others open functions."""
        if function is not None:
            return function_ring(function)
        if name.lower() == MASTER:
            return MASTER_RING
        is_system = name.lower().endswith("_extension") or self.get(SYSTEM_RING, name) is not None
        return SYSTEM_RING if is_system else HOST_RING

    async def _ensure(self, ring: str, name: str) -> None:
        if self.get(ring, name) is None:
            await self.put(ring, name, new_value())
            # Another host may have made one at the same moment: what the store has kept is what counts.
            await self._read()

    async def _read(self) -> None:
        known = None
        while known != self._own_changes:
            known = self._own_changes
            items = await self._state.items(SCOPE)
        found: dict[str, dict[str, Key]] = {}
        for place, value in items.items():
            ring, _, name = place.rpartition("/")
            found.setdefault(ring, {})[name] = Key(ring, value["name"], value["value"])
        self._rings = found
        self._read_once = True

    async def _insist(self, loading: asyncio.Future[None]) -> None:
        """Load the keys until that succeeds."""
        pause = FIRST_PAUSE
        try:
            while error := await self._failure(loading):
                if not self._told:
                    log.warning(
                        "The keys could not be read, functions that ask for one answer 503: %s", error
                    )
                self._told = True
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)
                self._stale = False
                loading = asyncio.ensure_future(self.load())
            if self._told:
                log.info("The keys have been read.")
            self._told = False
        finally:
            self._refreshing = None

    async def _failure(self, loading: asyncio.Future[None]) -> BaseException | None:
        await asyncio.wait([loading])
        return loading.exception()

    def _look_again(self) -> None:
        """A key that nobody knows may be new: some stores tell of a change late."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_again >= LOOK_AGAIN:
            self._looked_again = now
            self._changed()

    def _changed(self) -> None:
        self._stale = True
        self._catch_up()

    def _catch_up(self) -> None:
        """Begin to read what changed; where that failed before, with the next request."""
        if self._stale and self._refreshing is None:
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh())

    async def _refresh(self) -> None:
        try:
            while self._stale:
                self._stale = False
                await self._read()
            self._told = False
        except Exception as error:
            self._stale = True
            if not self._told:
                log.warning("The keys could not be read again, the known ones stay valid: %s", error)
            self._told = True
        finally:
            self._refreshing = None
