"""Leases in the embedded store, for all hosts of one machine."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import timedelta

from .lease import LEASE_PERIOD, HeldLease, Lease
from .store import Store, signal

_TOPIC = "leases"

_ACQUIRE = """
INSERT INTO leases (name, owner, fence, ends) VALUES (:name, :owner, :fence, :ends)
ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, fence = excluded.fence, ends = excluded.ends
WHERE leases.ends <= :now
"""


class EmbeddedLeases:
    """`LeaseStore` on the embedded store. Ends are on the machine's monotonic clock: stepping the wall clock
    neither prolongs nor ends a lease. `Presence` frees those of a host that died."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._released = asyncio.Event()
        store.subscribe(_TOPIC, self._released.set)

    async def acquire(self, name: str, owner: str, period: timedelta = LEASE_PERIOD) -> Lease | None:
        # Cleared before we look: a lease that is given back meanwhile sets it again.
        self._released.clear()
        now = self._store.clock.monotonic()

        def operation(connection: sqlite3.Connection) -> Lease | None:
            fence = next_fence(connection)
            wish = {
                "name": name,
                "owner": owner,
                "fence": fence,
                "now": now,
                "ends": now + period.total_seconds(),
            }
            taken = connection.execute(_ACQUIRE, wish).rowcount == 1
            return Lease(name, owner, fence) if taken else None

        return await self._store.write(operation)

    async def renew(self, lease: Lease, period: timedelta = LEASE_PERIOD) -> bool:
        now = self._store.clock.monotonic()
        ends = now + period.total_seconds()

        def operation(connection: sqlite3.Connection) -> bool:
            statement = "UPDATE leases SET ends = ? WHERE name = ? AND fence = ? AND ends > ?"
            return connection.execute(statement, (ends, lease.name, lease.fence, now)).rowcount == 1

        return await self._store.write(operation)

    async def release(self, lease: Lease) -> None:
        def operation(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM leases WHERE name = ? AND fence = ?", (lease.name, lease.fence))
            signal(connection, _TOPIC)

        await self._store.write(operation)
        self._store.announce(_TOPIC)

    async def wait(self, limit: timedelta) -> None:
        try:
            async with asyncio.timeout(limit.total_seconds()):
                await self._released.wait()
        except TimeoutError:
            pass

    async def list(self) -> list[HeldLease]:
        now = self._store.clock.monotonic()
        statement = "SELECT name, owner, fence, ends FROM leases WHERE ends > ? ORDER BY name"
        rows = await self._store.read(lambda connection: connection.execute(statement, (now,)).fetchall())
        return [HeldLease(Lease(name, owner, fence), ends - now) for name, owner, fence, ends in rows]

    async def break_(self, name: str) -> bool:
        now = self._store.clock.monotonic()

        def operation(connection: sqlite3.Connection) -> bool:
            held = "DELETE FROM leases WHERE name = ? AND ends > ?"
            was_held = connection.execute(held, (name, now)).rowcount == 1
            signal(connection, _TOPIC)
            return was_held

        was_held = await self._store.write(operation)
        self._store.announce(_TOPIC)
        return was_held


def next_fence(connection: sqlite3.Connection) -> int:
    """Part of an operation: the next fencing number of the store. One sequence for all names, so that a
    lease whose row is gone does not start again from one."""
    row = connection.execute("UPDATE counters SET value = value + 1 WHERE name = 'fence' RETURNING value")
    fence: int = row.fetchone()[0]
    return fence


def free_leases_of(connection: sqlite3.Connection, owner: str) -> int:
    """Part of an operation: end all leases of an owner that is dead; returns how many."""
    freed = connection.execute("DELETE FROM leases WHERE owner = ?", (owner,)).rowcount
    if freed:
        signal(connection, _TOPIC)
    return freed
