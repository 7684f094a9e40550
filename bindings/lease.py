"""Leases: a right with an owner, an end and a fencing number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

#: How long a lease lasts without renewal; it is renewed at a third of that.
LEASE_PERIOD = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Lease:
    """A right held by one owner until it ends or is renewed."""

    name: str
    owner: str
    #: Grows with each new holder and never restarts: whoever holds a higher number came later.
    fence: int


@dataclass(frozen=True, slots=True)
class HeldLease:
    """A lease that somebody holds, as others see it."""

    lease: Lease
    #: Seconds until it ends unless it is renewed; None where only its holder knows.
    ends_in: float | None


class LeaseStore(Protocol):
    """Keeps leases. At most one owner holds a name at any time.

    Each step may raise `StoreError` or `AccessDenied`: then it is not known whether it had an effect.
    """

    async def acquire(self, name: str, owner: str, period: timedelta = LEASE_PERIOD) -> Lease | None:
        """Take the lease if it is free, has ended, or its owner is known to be dead; None when it is held.

        Its time counts from when this was called, or from later. An owner does not get a lease twice: while it
        holds the name itself the answer is None too.
        """

    async def renew(self, lease: Lease, period: timedelta = LEASE_PERIOD) -> bool:
        """Prolong the lease, from when this was called; False when it is lost (another holds it, or it had ended)."""

    async def release(self, lease: Lease) -> None:
        """Give the lease back. One that is already lost is left alone."""

    async def wait(self, limit: timedelta) -> None:
        """Return when a lease was given back, by anyone, or after `limit`, whichever is first."""

    async def list(self) -> list[HeldLease]:
        """The leases that anyone holds, by name."""

    async def break_(self, name: str) -> bool:
        """End the lease, whoever holds it; False when nobody does.

        It is free at once. Its holder learns of it with the next renewal; who takes it then has a higher fencing
        number.
        """
